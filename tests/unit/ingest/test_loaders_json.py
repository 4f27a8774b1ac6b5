from __future__ import annotations

import json

import pytest

from ingest.errors import BrokenFileError, EmptyFileError
from ingest.loaders import load
from ingest.split import split


def text_of(value: object, name: str = "a.json") -> str:
    return load(json.dumps(value, ensure_ascii=False).encode(), source=name).document.text


def test_records_become_a_table_when_their_values_are_plain() -> None:
    records = [{"名称": "镜头", "价格": 45, "现货": True}, {"名称": "光源", "备注": "无"}]
    assert text_of(records).split("\n") == ["名称 | 价格 | 现货 | 备注", "镜头 | 45 | true", "光源 |  |  | 无"]


def test_each_line_is_a_record_when_the_file_is_json_lines() -> None:
    data = '{"问": "年假几天", "答": "5天"}\n\n{"问": "病假几天", "答": "3天"}\n'.encode()
    loaded = load(data, source="a.jsonl")
    assert loaded.document.text.split("\n") == ["问 | 答", "年假几天 | 5天", "病假几天 | 3天"]
    (span,) = split(loaded.document)
    assert span.sections[-1][1] == ("#2",)


def test_values_keep_their_path_when_they_are_nested() -> None:
    value = {"公司": {"名称": "星河", "标签": ["视觉", "检测"], "空": None}, "人": [{"姓名": "𠮷田"}, {"姓名": "龚䶮"}]}
    assert text_of(value).split("\n") == [
        "公司.名称: 星河",
        "公司.标签: 视觉、检测",
        "人[1].姓名: 𠮷田",
        "人[2].姓名: 龚䶮",
    ]


def test_records_stand_under_their_names_when_they_are_nested() -> None:
    lines = text_of([{"title": "年假", "答": ["5天"]}, {"答": ["3天"]}]).split("\n")
    assert lines == ["#1 年假", "title: 年假", "答: 5天", "", "#2", "答: 3天"]


def test_depth_is_bounded_when_values_are_nested_without_end() -> None:
    with pytest.raises((BrokenFileError, EmptyFileError)):
        load(b"[" * 100_000 + b"]" * 100_000, source="a.json")


@pytest.mark.parametrize("data", [b"{", b'{"a": 1}\n{', b"nothing", b'{"a": 1} {"b": 2}'])
def test_file_is_refused_when_it_is_no_json(data: bytes) -> None:
    with pytest.raises(BrokenFileError):
        load(data, source="a.jsonl" if b"\n" in data else "a.json")
