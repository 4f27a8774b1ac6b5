"""A full disk and a read-only one, for real: a small tmpfs in a mount namespace of the test's own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FILL = """
import json, sys
from pathlib import Path
from ingest import Ingestor, TextRecord
from retrieval.data_folder import DataFolder
from retrieval.doctor import check
from retrieval.errors import HuoziError
from tests import stores

settings = stores.settings(Path(sys.argv[1]) / "data", embedder=EMBEDDER)
text = lambda i: "".join(chr(0x4E00 + (i * 7919 + k * 31) % 20000) for k in range(20000))
stored, error = [], None
with DataFolder.open(settings, purpose="test") as folder:
    for i in range(400):
        try:
            report = Ingestor(folder).ingest_records([TextRecord(f"d{i}", "", text(i))])
            assert report.failed == [], report.failed
            stored.append(f"d{i}")
        except HuoziError as exc:
            error = exc
            break
    listed = [d.source for d in folder.catalog.list_documents(folder.collection("default").collection_id)]
    found = folder.retriever.retrieve(text(0)[:50]).hits[0].chunk.source
(Path(sys.argv[1]) / "ballast").unlink()  # Space again.
with DataFolder.open(settings, purpose="test") as folder:
    problems = [p.kind for p in check(folder, repair=True).problems if not p.mended]
    after = Ingestor(folder).ingest_records([TextRecord("later", "", text(999))]).added
    kept = [d.source for d in folder.catalog.list_documents(folder.collection("default").collection_id)]
print(json.dumps({
    "stored": stored, "listed": sorted(listed), "kept": sorted(kept), "found": found, "problems": problems,
    "after": after,
    "code": error and error.code, "zh": error and error.render("zh"),
}))
"""

OPEN = """
import json, sys
from pathlib import Path
from retrieval.data_folder import DataFolder
from retrieval.errors import HuoziError
from tests import stores
try:
    DataFolder.open(stores.settings(Path(sys.argv[1]) / "data"), purpose="test")
except HuoziError as exc:
    print(json.dumps({"code": exc.code, "en": str(exc), "zh": exc.render("zh")}))
"""


def in_namespace(folder: Path, prepare: str, code: str) -> dict:
    """Run Python code where `folder` is a mount of its own; it is gone with the process."""
    if shutil.which("unshare") is None:
        pytest.fail("unshare (util-linux) is needed to mount a small disk for this test")
    flags = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    script = f'{prepare}\nexec "{sys.executable}" -c "$CODE" "{folder}"'
    done = subprocess.run(
        ["unshare", *flags, "sh", "-ec", script],
        cwd=ROOT,
        env={**os.environ, "CODE": code},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("embedder", ["fake", "none"])
def test_full_disk_loses_nothing_and_is_named(tmp_path, embedder):
    prepare = f'mount -t tmpfs -o size=16m tmpfs "{tmp_path}"\nhead -c 5m /dev/zero > "{tmp_path}/ballast"'
    seen = in_namespace(tmp_path, prepare, FILL.replace("EMBEDDER", repr(embedder)))
    assert seen["code"] in ("data_folder_unusable", "vector_store_error"), seen["zh"]
    assert len(seen["stored"]) > 3 and seen["found"] in seen["stored"]
    # What was acknowledged is there; what failed is not, wholly.
    assert seen["listed"] == sorted(seen["stored"])
    assert seen["kept"] == sorted([*seen["stored"], "later"]) and seen["after"] == 1
    assert seen["problems"] == []


def test_read_only_data_folder_is_named(tmp_path):
    (tmp_path / "data").mkdir()
    prepare = f'mount --bind "{tmp_path}" "{tmp_path}"\nmount -o remount,ro,bind "{tmp_path}"'
    seen = in_namespace(tmp_path, prepare, OPEN)
    place = repr(str(tmp_path / "data"))
    assert seen == {
        "code": "data_folder_unusable",
        "en": f"Cannot write to the data folder {place}: Read-only file system. "
        "Check its owner and permissions, or set HUOZI_DATA_DIR to a folder that you may write.",
        "zh": f"无法写入数据目录 {place}：Read-only file system。"
        "请检查目录的属主和权限，或把 HUOZI_DATA_DIR 设为可写的目录。",
    }
