"""Zip archives: names in any encoding, nothing that leads out, never more bytes than the limit."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import pytest

from ingest import archives
from ingest.archives import Archive, safe_name
from ingest.errors import BrokenFileError, EmptyFileError, EncryptedError, FileTooLargeError, IngestError
from ingest.settings import LoadSettings
from ingest.sync import FileEntry, Unreadable, walk

LIMITS = LoadSettings()


class RawName(zipfile.ZipInfo):
    """A member whose name is written in an encoding of its own, as programs did before UTF-8."""

    encoding = "gbk"

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode(self.encoding), self.flag_bits & ~0x800


def zipped(path: Path, names: dict[str, bytes], encoding: str | None = None, *, deflated: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in names.items():
            info: zipfile.ZipInfo = zipfile.ZipInfo(name)
            if encoding is not None:
                info = RawName(name)
                info.encoding = encoding
            archive.writestr(info, data, zipfile.ZIP_DEFLATED if deflated else None)
    return path


def packed(names: dict[str, bytes], encoding: str | None = None) -> bytes:
    """Return an archive's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        return zipped(Path(folder) / "a.zip", names, encoding, deflated=True).read_bytes()


def read_all(path: Path, settings: LoadSettings = LIMITS) -> dict[str, bytes | str]:
    """Return every document's bytes, or the code of what is wrong with it."""
    found: dict[str, bytes | str] = {}
    with Archive(path, path.name, settings) as archive:
        for member in archive.members:
            try:
                found[member.name] = archive.read(member, f"{path.name}/{member.name}", max_mb=1)
            except IngestError as error:
                found[member.name] = error.code
    return found


def names_of(path: Path) -> list[str]:
    with Archive(path, path.name, LIMITS) as archive:
        return [member.name for member in archive.members]


@pytest.mark.parametrize("encoding", [None, "gbk", "gb18030", "utf-8"])
def test_names_are_readable_when_written_in_any_code_page(tmp_path: Path, encoding: str | None) -> None:
    names = {"通知2024.md": b"b", "plain.txt": b"c"}
    assert names_of(zipped(tmp_path / "b.zip", names, encoding)) == list(names)
    names = {"制度/休假办法.txt": b"a", "通知2024.md": b"b", "公告（𠮷田）.txt": b"c"}
    if encoding != "gbk":
        names["龚䶮.txt"] = b"d"
    else:
        del names["公告（𠮷田）.txt"]
    assert names_of(zipped(tmp_path / "a.zip", names, encoding)) == list(names)


def test_documents_alone_are_listed_when_an_archive_holds_more(tmp_path: Path) -> None:
    names = {
        "__MACOSX/._a.txt": b"",
        ".git/x.md": b"",
        "图.png": b"",
        "~$b.docx": b"",
        "目录/": b"",
        "目录/b.txt": b"b",
    }
    assert names_of(zipped(tmp_path / "a.zip", names)) == ["目录/b.txt"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/a.txt", "etc/a.txt"),
        ("/abs/a.txt", "abs/a.txt"),
        ("C:\\docs\\制度.txt", "docs/制度.txt"),
        ("a/./b/...txt", "a/b/...txt"),
        ("a\x00\x1b[31m.txt", "a[31m.txt"),
    ],
)
def test_name_stays_inside_when_it_would_lead_out(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_archive_is_a_folder_when_walked(tmp_path: Path) -> None:
    zipped(tmp_path / "资料.zip", {"制度/a.txt": b"a", "b.md": b"b"})
    (tmp_path / "c.txt").write_text("c")
    found = [entry for entry in walk([tmp_path]) if isinstance(entry, FileEntry)]
    base = tmp_path.name
    assert [entry.source for entry in found] == [
        f"{base}/c.txt",
        f"{base}/资料.zip/制度/a.txt",
        f"{base}/资料.zip/b.md",
    ]
    assert found[1].source_id == str(tmp_path / "资料.zip" / "制度" / "a.txt")


def test_archive_is_reported_when_it_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 cut off")
    (entry,) = walk([tmp_path / "a.zip"])
    assert isinstance(entry, Unreadable) and type(entry.error) is BrokenFileError


def test_archive_is_refused_when_it_unpacks_to_too_much(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "a.zip", {f"{number}.txt": bytes(1024 * 1024) for number in range(3)})
    with pytest.raises(FileTooLargeError) as caught:
        Archive(bomb, "a.zip", LoadSettings(max_unpacked_mb=2))
    assert "'a.zip' unpacks to 3 MB, over the limit of 2 MB." in str(caught.value)


def test_document_is_refused_when_it_holds_more_than_the_archive_says(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.txt": bytes(3 * 1024 * 1024)})
    data = bytearray(path.read_bytes())
    size = (3 * 1024 * 1024).to_bytes(4, "little")
    for _ in range(2):  # in the local head and in the central list
        place = data.find(size)
        data[place : place + 4] = (7).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    with Archive(path, "a.zip", LIMITS) as archive, pytest.raises((BrokenFileError, FileTooLargeError)):
        archive.read(archive.members[0], "a.zip/a.txt", max_mb=1)


def test_document_is_refused_when_it_is_encrypted(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.txt": b"text"})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(mark) + offset] |= 1
    path.write_bytes(bytes(data))
    with Archive(path, "a.zip", LIMITS) as archive, pytest.raises(EncryptedError):
        archive.read(archive.members[0], "a.zip/a.txt", max_mb=1)


@pytest.mark.parametrize("encoding", [None, "gbk", "big5", "utf-8"])
def test_archives_in_archives_are_folders_when_their_names_are_in_any_code_page(
    tmp_path: Path, encoding: str | None
) -> None:
    deep = packed({"附件/價格.txt": b"deep"}, "big5")
    inner = packed({"制度/年假.txt": b"leave", "三層/深.zip": deep}, encoding)
    path = zipped(tmp_path / "资料.zip", {"a.txt": b"a", "部門/人事.ZIP": inner, "z.txt": b"z"}, encoding)

    assert read_all(path) == {
        "a.txt": b"a",
        "部門/人事.ZIP/制度/年假.txt": b"leave",
        "部門/人事.ZIP/三層/深.zip/附件/價格.txt": b"deep",
        "z.txt": b"z",
    }


def test_archive_in_an_archive_fails_alone_when_it_cannot_be_opened(tmp_path: Path) -> None:
    bomb = packed({f"{number}.txt": bytes(1024 * 1024) for number in range(3)})
    names = {"a.txt": b"a", "坏.zip": b"PK\x03\x04 cut off", "大.zip": bomb, "空.zip": packed({}), "z.txt": b"z"}

    found = read_all(zipped(tmp_path / "a.zip", names), LoadSettings(max_unpacked_mb=2))

    assert found == {"a.txt": b"a", "坏.zip": "broken_file", "大.zip": "file_too_large", "z.txt": b"z"}


def test_archives_together_are_bounded_when_each_is_small_enough(tmp_path: Path) -> None:
    small = packed({"a.txt": bytes(900 * 1024)})

    found = read_all(
        zipped(tmp_path / "a.zip", {f"{number}.zip": small for number in range(3)}), LoadSettings(max_unpacked_mb=2)
    )

    assert [value if isinstance(value, str) else len(value) for value in found.values()] == [
        *[900 * 1024] * 2,
        "file_too_large",
    ]


def test_archive_is_not_opened_when_it_lies_too_deep(tmp_path: Path) -> None:
    data = packed({"最里面.txt": b"deep"})
    for number in range(3):
        data = packed({f"{number}.zip": data})
    path = tmp_path / "a.zip"
    path.write_bytes(data)

    assert read_all(path) == {"2.zip/1.zip/0.zip/最里面.txt": b"deep"}
    with Archive(path, "a.zip", LoadSettings(max_nesting=2)) as archive:
        (member,) = archive.members
        assert str(member.problem).startswith("'a.zip/2.zip/1.zip/0.zip' is damaged") and "2 archives deep" in str(
            member.problem
        )


def test_archive_that_holds_itself_ends_when_it_is_listed(tmp_path: Path) -> None:
    # As a quine does: each level lists one more of the same.
    data = packed({"r.zip": b""})
    for _ in range(40):
        data = packed({"r.zip": data, "a.txt": b"a"})
    path = tmp_path / "r.zip"
    path.write_bytes(data)

    assert list(read_all(path)) == [
        "r.zip/r.zip/r.zip/r.zip", "r.zip/r.zip/r.zip/a.txt", "r.zip/r.zip/a.txt", "r.zip/a.txt", "a.txt",
    ]  # fmt: skip


def test_documents_of_an_encrypted_archive_are_reported_when_it_lies_in_another(tmp_path: Path) -> None:
    locked = bytearray(packed({"薪酬.txt": b"text"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.find(mark) + offset] |= 1

    assert read_all(zipped(tmp_path / "a.zip", {"机密.zip": bytes(locked), "a.txt": b"a"})) == {
        "机密.zip/薪酬.txt": "encrypted",
        "a.txt": b"a",
    }


def test_archive_is_refused_when_it_lists_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 5)
    many = packed({f"{number}.txt": b"x" for number in range(4)})
    path = zipped(tmp_path / "a.zip", {"a.txt": b"a", "多.zip": many})

    assert read_all(path) == {"a.txt": b"a", "多.zip": "broken_file"}
    with pytest.raises(BrokenFileError, match="more than 5 files"):
        Archive(zipped(tmp_path / "b.zip", {f"{number}.txt": b"x" for number in range(6)}), "b.zip", LIMITS)


def test_archive_is_reported_when_no_document_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(EmptyFileError):
        Archive(zipped(tmp_path / "a.zip", {"程序.exe": b"MZ"}), "a.zip", LIMITS)
