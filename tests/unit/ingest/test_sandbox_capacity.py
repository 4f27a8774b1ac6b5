import pytest

from ingest.sandbox import capacity


@pytest.mark.parametrize(("wanted", "cores", "memory_mb", "expected"), [
    (0, 1, 64_000, 1),
    (0, 2, 64_000, 1),
    (0, 4, 64_000, 3),
    (0, 64, 1_000_000, 8),
    (0, 16, 16_000, 3),
    (0, 16, 1_000, 1),
    (6, 2, 1_000, 6),
])  # fmt: skip
def test_worker_count_leaves_room_when_cores_or_memory_are_few(wanted, cores, memory_mb, expected):
    assert capacity.worker_count(wanted, cores=cores, memory_mb=memory_mb, max_memory_mb=2048) == expected


@pytest.mark.parametrize(("wanted", "memory_mb", "expected"), [(0, 1_000, 2), (0, 6_500, 3), (0, 64_000, 4), (1, 0, 1)])
def test_slow_files_leave_room_when_memory_is_small(wanted, memory_mb, expected):
    assert capacity.parsers_at_once(wanted, memory_mb=memory_mb, max_memory_mb=2048) == expected


@pytest.mark.parametrize(("limit", "expected"), [("1073741824\n", 1024), ("max\n", None)])
def test_memory_is_the_containers_when_it_has_less(tmp_path, monkeypatch, limit, expected):
    whole = capacity.memory_mb()
    (tmp_path / "memory.max").write_text(limit, "utf-8")
    monkeypatch.setattr(capacity, "_CGROUP_LIMIT", tmp_path / "memory.max")

    assert capacity.memory_mb() == (expected or whole)
