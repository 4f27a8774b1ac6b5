import errno
import hashlib

import pytest

from retrieval.errors import DataFolderError, DocumentNotFoundError
from retrieval.originals import Originals

DATA = "年假五天".encode("gb18030")
HASH = hashlib.sha256(DATA).hexdigest()


def test_bytes_come_back_as_they_were(tmp_path):
    originals = Originals(tmp_path / "originals")
    originals.put(HASH, DATA)
    originals.put(HASH, DATA)
    assert originals.get(HASH) == DATA and list(originals.hashes()) == [HASH]
    originals.remove(HASH)
    originals.remove(HASH)
    assert list(originals.hashes()) == []


def test_missing_original_says_what_to_do(tmp_path):
    with pytest.raises(DocumentNotFoundError, match="Run `huozi doctor`, then ingest the file again."):
        Originals(tmp_path).get(HASH)


def test_full_disk_is_named_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("retrieval.originals.os.fsync", full)
    with pytest.raises(DataFolderError) as caught:
        Originals(tmp_path).put(HASH, DATA)
    assert caught.value.render("zh") == (
        f"无法写入数据目录 {str(tmp_path)!r}：磁盘空间不足。请清理磁盘后重试；此前存入的内容完好。"
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_crash_left_is_swept(tmp_path):
    originals = Originals(tmp_path)
    originals.sweep(set())
    originals.put(HASH, DATA)
    (originals.path(HASH).parent / ".new-half").write_bytes(b"x")
    originals.put("00" + HASH[2:], b"unused")
    originals.sweep({HASH})
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [HASH]


@pytest.mark.parametrize("count", [0, 1, 40])
def test_all_of_a_batch_come_back_as_they_were(tmp_path, count):
    originals = Originals(tmp_path / "originals")
    batch = {hashlib.sha256(data).hexdigest(): data for data in (f"第{i}条".encode() for i in range(count))}

    originals.put_all(batch)

    assert {content_hash: originals.get(content_hash) for content_hash in originals.hashes()} == batch


def test_full_disk_is_named_when_a_batch_is_stored(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("retrieval.originals.os.fsync", full)
    with pytest.raises(DataFolderError, match="no space left"):
        Originals(tmp_path).put_all({HASH: DATA, HASH[::-1]: DATA})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_bytes_that_come_in_pieces_are_hashed_on_the_way(tmp_path):
    originals = Originals(tmp_path / "originals")
    with originals.incoming() as incoming:
        for i in range(0, len(DATA), 3):
            incoming.write(DATA[i : i + 3])
        incoming.finish()
        assert (incoming.size, incoming.content_hash) == (len(DATA), HASH)
        assert list(originals.hashes()) == []
        originals.keep_all([incoming])
    assert originals.get(HASH) == DATA and list(originals.hashes()) == [HASH]


def test_nothing_stays_when_what_came_in_is_not_kept(tmp_path):
    originals = Originals(tmp_path / "originals")
    with pytest.raises(RuntimeError, match="hung up"), originals.incoming() as incoming:
        incoming.write(DATA)
        raise RuntimeError("hung up")
    with originals.incoming() as incoming:
        incoming.write(DATA)
        incoming.finish()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_came_in_half_is_swept_after_a_crash(tmp_path):
    originals = Originals(tmp_path / "originals")
    incoming = originals.incoming()
    incoming.write(DATA)
    incoming.finish()
    originals.sweep(set())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    incoming.discard()


def test_full_disk_is_named_when_bytes_come_in(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    originals = Originals(tmp_path)
    with originals.incoming() as incoming:
        incoming.write(DATA)
        monkeypatch.setattr("retrieval.originals.os.fsync", full)
        with pytest.raises(DataFolderError, match="no space left"):
            incoming.finish()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
