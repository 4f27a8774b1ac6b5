"""What is wrong in a profile's file, in words: one line a problem, with its key (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

from assistant.errors import ProfileError
from retrieval.errors import Message

_WORDS: Mapping[str, tuple[str, str]] = {
    "missing": ("is missing", "缺少"),
    "missing_keyword_only": ("is missing", "缺少"),
    "missing_argument": ("is missing", "缺少"),
    "unexpected_keyword_argument": ("is no known key", "没有这个键"),
    "extra_forbidden": ("is no known key", "没有这个键"),
    "int_type": ("should be a whole number, is {input}", "应为整数，现为 {input}"),
    "float_type": ("should be a number, is {input}", "应为数，现为 {input}"),
    "bool_type": ("should be true or false, is {input}", "应为 true 或 false，现为 {input}"),
    "string_type": ("should be text, is {input}", "应为文字，现为 {input}"),
    "string_too_short": ("must not be empty", "不能为空"),
    "string_pattern_mismatch": (
        "may hold letters, digits, '.', '_' and '-', is {input}",
        "只能有字母、数字、'.'、'_'、'-'，现为 {input}",
    ),
    "tuple_type": ("should be a list, is {input}", "应为列表，现为 {input}"),
    "mapping_type": ("should be a table, is {input}", "应为表，现为 {input}"),
    "dict_type": ("should be a table, is {input}", "应为表，现为 {input}"),
    "dataclass_type": ("should be a table, is {input}", "应为表，现为 {input}"),
    "too_short": ("must not be empty", "不能为空"),
    "greater_than": ("should be above {gt}, is {input}", "应大于 {gt}，现为 {input}"),
    "greater_than_equal": ("should be at least {ge}, is {input}", "应不小于 {ge}，现为 {input}"),
    "less_than_equal": ("should be at most {le}, is {input}", "应不大于 {le}，现为 {input}"),
    "literal_error": ("should be {expected}, is {input}", "应为 {expected}，现为 {input}"),
}


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        key: Where, e.g. `formats[0].weights_gb`; empty for the file itself.
        told: What is wrong there.
    """

    key: str
    told: Message

    @classmethod
    def of(cls, key: str, en: str, zh: str) -> Problem:
        """Return a problem from its words."""
        return cls(key, Message(en=en, zh=zh))


def problems_of(details: Sequence[ErrorDetails]) -> list[Problem]:
    """Return the words for pydantic's problems; a list that only lacks what was wrong inside it is not told again."""
    found = [_problem(detail) for detail in details]
    keys = [problem.key for problem in found]
    return [one for one in found if not any(key.startswith(f"{one.key}[") for key in keys)]


def _problem(detail: ErrorDetails) -> Problem:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    en, zh = _WORDS.get(detail["type"], (detail["msg"].replace("{", "{{").replace("}", "}}"),) * 2)
    filled: dict[str, Any] = {**detail.get("ctx", {}), "input": repr(detail["input"])}
    # pydantic joins what is allowed in English: 'a', 'b' or 'c'.
    in_chinese = {
        name: re.sub(", | or ", "、", value) if name == "expected" else value for name, value in filled.items()
    }
    return Problem.of(key, en.format_map(filled), zh.format_map(in_chinese))


def profile_error(path: Path, problems: Sequence[Problem]) -> ProfileError:
    """Return the error that names the file and all its problems."""
    en = "\n".join(f"  {problem.key + ' ' if problem.key else ''}{problem.told.en}" for problem in problems)
    zh = "\n".join(f"  {problem.key + ' ' if problem.key else ''}{problem.told.zh}" for problem in problems)
    return ProfileError(
        Message(
            en=f"The profile {str(path)!r} cannot be used:\n{en}\ndocs/model.md describes its keys.",
            zh=f"模型配置 {str(path)!r} 不可用：\n{zh}\n各键的说明见 docs/model.zh-CN.md。",
        )
    )
