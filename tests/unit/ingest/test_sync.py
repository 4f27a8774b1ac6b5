import os
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

from ingest.errors import UnreadableError
from ingest.sync import FileEntry, Unreadable, emptied_folders, gone_sources, match_moves, plan, walk
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


def known(*source_ids: str, content_hash: str = "h") -> dict[str, KnownSource]:
    return {one: KnownSource(f"id of {one}", content_hash, "r") for one in source_ids}


def unreadable(path: str) -> Unreadable:
    return Unreadable(Path(path), path, UnreadableError(path, "Permission denied"))


def test_only_documents_of_the_given_folders_can_be_gone():
    there = known("/docs/a.md", "/docs2/b.md", "/docs.md")
    assert gone_sources(there, [], [Path("/docs")]) == ["/docs/a.md"]
    assert gone_sources(there, [FileEntry(Path("/docs/a.md"), "docs/a.md")], [Path("/docs")]) == []


def test_nothing_is_gone_when_it_may_lie_in_what_cannot_be_read():
    there = known("/d/锁/a.md", "/d/锁/深/b.md", "/d/锁.md", "/d/坏.zip/c.md")
    found = [unreadable("/d/锁"), unreadable("/d/坏.zip")]
    assert gone_sources(there, found, [Path("/d")]) == ["/d/锁.md"]


def test_emptied_folder_is_told_when_it_had_documents():
    there = known("/挂载/a.md", "/挂载/b.md", "/其他/c.md")
    folders = [Path("/挂载"), Path("/其他"), Path("/新")]
    entries = [FileEntry(Path("/其他/c.md"), "其他/c.md")]
    assert emptied_folders(there, entries, folders) == [(Path("/挂载"), 2)]
    assert emptied_folders(there, [*entries, unreadable("/挂载")], folders) == []


def test_moved_file_is_matched_by_content():
    assert match_moves(known("/d/旧.md"), {"/d/新.md": "h", "/d/别的.md": "x"}) == {"/d/新.md": "/d/旧.md"}
    assert match_moves({}, {"/d/新.md": "h"}) == {}


def test_moved_files_of_equal_content_keep_their_names_when_a_folder_is_renamed():
    gone = known("/d/旧/一.md", "/d/旧/二.md", "/d/旧/三.txt")
    new = {"/d/新/二.md": "h", "/d/新/一.md": "h", "/d/新/四.txt": "h", "/d/新/五.md": "h"}
    assert match_moves(gone, new) == {
        "/d/新/一.md": "/d/旧/一.md",
        "/d/新/二.md": "/d/旧/二.md",
        "/d/新/四.txt": "/d/旧/三.txt",
    }


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def below(root: Path) -> list[str]:
    return [source.partition("/")[2] for source in sources(root)]


def test_ignored_files_stay_out_by_gitignores_rules(tmp_path):
    rules = "# 说明\n草稿*\n!草稿-定稿.md\n/根.md\n私人/\n资料/**/内部.txt\n*.log\n"
    names = [
        "草稿一.md",
        "草稿-定稿.md",
        "根.md",
        "子/根.md",
        "子/草稿二.md",
        "私人/a.md",
        "子/私人/b.md",
        "私人.md",
    ] + ["资料/甲/乙/内部.txt", "资料/内部.txt", "内部.txt", "x.log", "𠮷.md"]
    tree(tmp_path, dict.fromkeys(names, "文") | {".huoziignore": rules})
    assert below(tmp_path) == ["内部.txt", "私人.md", "草稿-定稿.md", "𠮷.md", "子/根.md"]


def test_nested_ignore_file_goes_before_the_one_above(tmp_path):
    files = {"a.txt": "文", "子/a.txt": "文", "子/深/a.txt": "文", "子/深/b.txt": "文", "外/b.txt": "文"}
    rules = {".huoziignore": "*.txt\n外/\n", "子/.huoziignore": "!a.txt\n/深/b.txt\n", "外/.huoziignore": "!*\n"}
    tree(tmp_path, files | rules)
    assert below(tmp_path) == ["子/a.txt", "子/深/a.txt"]


def test_ignore_rules_match_names_however_they_are_composed(tmp_path):
    name = "Résumé 报告が.md"
    for form in ("NFC", "NFD"):
        root = tree(tmp_path / form, {unicodedata.normalize(form, name): "文", "b.md": "文"})
        for rule_form in ("NFC", "NFD"):
            (root / ".huoziignore").write_text(unicodedata.normalize(rule_form, name) + "\n", "utf-8")
            assert below(root) == ["b.md"]


def test_ignore_file_is_read_when_a_windows_editor_wrote_it(tmp_path):
    tree(tmp_path, {"草稿.md": "文", "b.md": "文"})
    for data in ("\ufeff草稿.md\r\n".encode(), "草稿.md\r\n".encode("gb18030")):
        (tmp_path / ".huoziignore").write_bytes(data)
        assert below(tmp_path) == ["b.md"]


def test_line_that_is_no_pattern_is_passed_over(tmp_path):
    tree(tmp_path, {"a.md": "文", "b.md": "文", ".huoziignore": "!\n\\\na.md\n"})
    assert below(tmp_path) == ["b.md"]


def test_folder_is_not_entered_when_its_ignore_file_cannot_be_read(tmp_path, monkeypatch):
    tree(tmp_path, {"a.md": "文", "锁/私.md": "文", "锁/.huoziignore": "私.md\n"})
    real = Path.read_bytes

    def read(self: Path) -> bytes:
        if self == tmp_path / "锁" / ".huoziignore":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", read)
    assert below(tmp_path) == ["a.md"]
    assert [source for source, _ in failures(tmp_path)] == [f"{tmp_path.name}/锁"]


def test_archives_documents_are_ignored_like_a_folders(tmp_path):
    with zipfile.ZipFile(tmp_path / "资料.zip", "w") as archive:
        for name in ("制度/a.txt", "草稿/b.txt", "c.log"):
            archive.writestr(name, "文")
    tree(tmp_path, {".huoziignore": "草稿/\n*.log\n"})
    assert below(tmp_path) == ["资料.zip/制度/a.txt"]


def test_named_file_is_taken_when_a_rule_would_ignore_it(tmp_path):
    tree(tmp_path, {"a.md": "文", ".huoziignore": "*\n"})
    assert sources(tmp_path / "a.md") == ["a.md"] and sources(tmp_path) == []
