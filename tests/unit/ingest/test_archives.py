"""Zip archives: names in any encoding, nothing that leads out, never more bytes than the limit."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ingest.archives import Archive, safe_name
from ingest.errors import BrokenFileError, EncryptedError, FileTooLargeError
from ingest.settings import LoadSettings
from ingest.sync import FileEntry, Unreadable, walk

LIMITS = LoadSettings()


class RawName(zipfile.ZipInfo):
    """A member whose name is written in an encoding of its own, as programs did before UTF-8."""

    encoding = "gbk"

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode(self.encoding), self.flag_bits & ~0x800


def zipped(path: Path, names: dict[str, bytes], encoding: str | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in names.items():
            info: zipfile.ZipInfo = zipfile.ZipInfo(name)
            if encoding is not None:
                info = RawName(name)
                info.encoding = encoding
            archive.writestr(info, data)
    return path


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
