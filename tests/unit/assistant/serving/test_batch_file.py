from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.serving.batch import sampling_of
from assistant.serving.batch_file import BatchRequest, read_requests, read_results, write_results
from assistant.serving.errors import BatchFileError
from assistant.serving.profile import load_profile

HUOZI = load_profile("huozi3.5")


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines), "utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BatchFileError) as caught:
        read_requests(path, "huozi")
    return caught.value.render("en")


def test_lines_keep_their_order_and_ids_when_they_are_read(tmp_path: Path):
    messages = [{"role": "用户", "content": "𠮷野家 🎉"}]
    path = write(
        tmp_path / "入.jsonl", {"id": 7, "prompt": "年假？", "max_tokens": 5}, "", {"messages": messages, "x": 1}
    )

    assert read_requests(path, "huozi") == [
        BatchRequest("7", [{"role": "user", "content": "年假？"}], {"max_tokens": 5}),
        BatchRequest("line-3", messages),
    ]


def test_every_bad_line_is_counted_and_the_first_are_named_when_a_file_is_read(tmp_path: Path):
    path = write(
        tmp_path / "a.jsonl",
        {"id": "1", "prompt": "好"},
        "{",
        [],
        {"id": "2"},
        {"id": "1", "prompt": "again"},
        {"prompt": "x", "temperature": "hot"},
        {"messages": [{"role": "法师", "content": "x"}]},
        {"messages": []},
    )
    told = refusal(path)

    assert told.startswith(f"{str(path)!r} has 7 lines that cannot be used: line 2: is not JSON")
    assert (
        "line 3: is not an object; line 4: needs either messages or prompt; line 5: id '1' stands there twice" in told
    )
    assert "line 6: temperature is 'hot'; and 2 more." in told


def test_a_bad_line_ends_with_one_full_stop_when_the_template_refuses_it(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", {"messages": [{"role": "法师", "content": "x"}]})

    with pytest.raises(BatchFileError) as caught:
        read_requests(path, "huozi")

    assert "has 1 line that cannot be used: line 1: " in caught.value.render("en")
    assert ".." not in caught.value.message.en and "。。" not in caught.value.render("zh")


def test_the_file_is_named_when_it_is_not_there_or_not_utf8(tmp_path: Path):
    (tmp_path / "gbk.jsonl").write_bytes("年假".encode("gbk"))

    assert "cannot be read: No such file or directory." in refusal(tmp_path / "无.jsonl")
    assert "cannot be read: not UTF-8." in refusal(tmp_path / "gbk.jsonl")


def test_a_torn_last_line_is_dropped_when_results_are_read(tmp_path: Path):
    path = write(tmp_path / "o.jsonl", {"id": "1", "text": "甲"})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"id": "2", "te')

    assert read_results(path) == {"1": {"id": "1", "text": "甲"}}
    assert read_results(tmp_path / "none.jsonl") == {}


def test_results_stand_in_the_order_of_the_requests_when_they_are_written(tmp_path: Path):
    requests = [BatchRequest(id, []) for id in "甲乙丙"]
    write_results(tmp_path / "o.jsonl", requests, {"丙": {"id": "丙"}, "甲": {"id": "甲"}, "丁": {"id": "丁"}})

    assert (tmp_path / "o.jsonl").read_text("utf-8") == '{"id": "甲"}\n{"id": "丙"}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["o.jsonl"]


def test_the_line_wins_over_the_command_and_that_over_the_profile_when_sampling_is_merged():
    chosen = {"max_tokens": None, "temperature": 0.0}

    assert sampling_of(HUOZI, chosen, {"top_p": 0.5, "stop": ["。"]}) == {
        "temperature": 0.0,
        "top_p": 0.5,
        "max_tokens": 2048,
        "stop": ["。"],
        "stop_token_ids": [57001],
    }
