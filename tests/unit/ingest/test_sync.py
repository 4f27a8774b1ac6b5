import os
import subprocess
import sys
from pathlib import Path

from ingest.sync import FileEntry, Unreadable, missing_documents, plan, walk
from retrieval.catalog import KnownSource

ROOT = Path(__file__).parents[3]


def sources(*paths: Path) -> list[str]:
    return [entry.source for entry in walk(paths) if isinstance(entry, FileEntry)]


def failures(*paths: Path) -> list[tuple[str, str]]:
    return [(entry.source, str(entry.error)) for entry in walk(paths) if isinstance(entry, Unreadable)]


def test_folder_gives_its_documents_in_a_stable_order(tmp_path):
    for name in ("制度/b.md", "制度/a.txt", "制度/.git/x.md", "制度/~$a.docx", "制度/图.xyz", "c.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("文")
    base = tmp_path.name
    assert sources(tmp_path) == [f"{base}/c.html", f"{base}/制度/a.txt", f"{base}/制度/b.md"]


def test_file_is_taken_once_when_named_twice(tmp_path):
    (tmp_path / "a.md").write_text("文")
    assert sources(tmp_path / "a.md", tmp_path) == ["a.md"]


def test_link_loop_ends_and_is_no_failure_when_it_is_a_folder(tmp_path):
    (tmp_path / "a.md").write_text("文")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert sources(tmp_path) == [f"{tmp_path.name}/a.md"] and failures(tmp_path) == []


def test_link_loop_is_reported_when_it_is_a_file(tmp_path):
    (tmp_path / "x.md").symlink_to(tmp_path / "y.md")
    (tmp_path / "y.md").symlink_to(tmp_path / "x.md")
    path = tmp_path / "x.md"
    assert failures(tmp_path)[0] == (
        f"{tmp_path.name}/x.md",
        f"{str(path)!r} cannot be read (Too many levels of symbolic links). Check its permissions and links.",
    )


def test_link_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "secret.md").write_text("密")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "in.md").symlink_to(tmp_path / "secret.md")
    assert sources(tmp_path / "docs") == []
    assert "the link leads out of the folder" in failures(tmp_path / "docs")[0][1]


def test_missing_path_is_reported(tmp_path):
    path = tmp_path / "没有.md"
    assert failures(path) == [
        ("没有.md", f"{str(path)!r} cannot be read (no such file or folder). Check its permissions and links.")
    ]


def test_unreadable_folder_is_reported_and_the_rest_goes_on(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.md").write_text("文")
    (tmp_path / "shut").mkdir(mode=0o000)
    code = (
        "import os,sys\nfrom pathlib import Path\n"
        "from ingest.sync import walk\n"
        # Root reads everything: become nobody where the tests run as root.
        "os.geteuid() == 0 and os.setuid(65534)\n"
        "for e in walk([Path(sys.argv[1])]): print(e.source, getattr(e, 'error', ''), sep='|')\n"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o555)
        if folder.name.startswith("pytest-of"):
            break
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (tmp_path / "shut").chmod(0o700)
    shut = str(tmp_path / "shut")
    assert done.stdout.splitlines() == [
        f"{tmp_path.name}/shut|{shut!r} cannot be read (Permission denied). Check its permissions and links.",
        f"{tmp_path.name}/open/a.md|",
    ] or done.stdout.splitlines() == [
        f"{tmp_path.name}/open/a.md|",
        f"{tmp_path.name}/shut|{shut!r} cannot be read (Permission denied). Check its permissions and links.",
    ]


def test_plan_compares_content_and_recipe():
    known = KnownSource("file-1", "hash", "r1")
    assert plan("hash", None, recipe="r1") == "add"
    assert plan("hash", known, recipe="r1") == "skip"
    assert plan("other", known, recipe="r1") == "update"
    assert plan("hash", known, recipe="r2") == "update"


def test_only_documents_of_the_given_folders_can_be_missing(tmp_path):
    known = {f"{tmp_path}/docs/a.md": KnownSource("1", "h", "r"), f"{tmp_path}/docs2/b.md": KnownSource("2", "h", "r")}
    assert missing_documents(known, set(), [tmp_path / "docs"]) == ["1"]
    assert missing_documents(known, {f"{tmp_path}/docs/a.md"}, [tmp_path / "docs"]) == []
