"""Does a sentence state a fact? (pure)."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["fact", "frame", "row", "code"]
"""`fact` states something; `frame` does not: a heading, a lead-in, a greeting, a question, the word that the sources
hold nothing; `row` is a table's and `code` a block: facts too."""

CELL = " | "
FENCE = re.compile(r"`{3,}|~{3,}")
_SOURCES = "资料|文档|文件|来源|材料|文中|原文|上文"
_ABSENCE = re.compile(
    rf"(?:{_SOURCES})[^。！？，,]{{0,12}}(?:没有|未|无|不(?:包含|涉及|足)|缺乏|缺少)"
    rf"|(?:没有|未能?|无法|不能)(?:在|从|根据)?[^。！？，,]{{0,10}}(?:{_SOURCES})[^。！？，,]{{0,6}}"
    r"(?:找到|得知|确定|回答|判断|看出|提到)"
    r"|(?:没有|未能?)找到(?:相关|答案|这个问题|该问题)|(?:无法|不能)(?:回答|确定|判断|得知|确认)"
    r"|(?:sources?|documents?|materials?|passages?)\b[^.]{0,40}\b(?:do not|does not|don't|doesn't|no)\b"
    r"|no (?:answer|information)[^.]{0,30}(?:sources?|documents?)|(?:cannot|can't|unable to) (?:answer|determine)",
    re.IGNORECASE,
)
# Behind these words more is said than that something is missing.
_HOWEVER = re.compile(r"但|不过|然而|而是|只|仅|\bbut\b|\bhowever\b|\bonly\b", re.IGNORECASE)
_MAX_ABSENCE_CHARS = 80
_POLITE = re.compile(
    r"\W*(?:您好|你好|好的|当然|没问题|谢谢|感谢|不客气|希望[^。]{0,20}帮助|如[有需][^。]{0,30}(?:问题|疑问|帮助|了解)[^。]{0,20}"
    r"|请随时[^。]{0,20}|祝[您你][^。]{0,12}|以上(?:就是|是)[^。]{0,16}"
    r"|hello|hi|sure|of course|thank you|thanks|i hope this helps)\W*",
    re.IGNORECASE,
)
_HEADING = re.compile(r"\s*(?:\*\*|__)[^*_]{1,40}(?:\*\*|__)[:：]?\s*\Z|\s*(?:-{3,}|\*{3,}|_{3,})\s*\Z")
_RULE_ROW = re.compile(r"[\s|:\-]+\Z")
_WORD = re.compile(r"\w")
_ONLY_NAMED = re.compile(
    r"(?:根据|以上|基于|综合|依据)[^。，,]{0,12}(?:资料|文档|来源|信息|内容)[^。，,]{0,6}[，,:：]?\s*\Z"
)
_TRAILING = ' \n*_"”’」』）)'


def kind_of(prefix: str, text: str) -> Kind:
    """Return what a sentence is.

    Args:
        prefix: White space and the mark of a heading or list in front of it.
        text: The sentence without its markers.
    """
    stripped = text.strip()
    if FENCE.match(stripped):
        return "code"
    if not _WORD.search(stripped) or _RULE_ROW.match(stripped):
        return "frame"
    if stripped.startswith("|") or CELL in stripped:
        return "row"
    is_title = prefix.lstrip().startswith("#") or _HEADING.match(stripped)
    if is_title or is_lead_in(text) or stripped.rstrip(_TRAILING).endswith(("?", "？")):
        return "frame"
    if _POLITE.fullmatch(stripped) or _ONLY_NAMED.match(stripped) or says_nothing_found(stripped):
        return "frame"
    return "fact"


def says_nothing_found(text: str) -> bool:
    """Whether a sentence says that the sources hold no answer, and nothing else."""
    return len(text) <= _MAX_ABSENCE_CHARS and bool(_ABSENCE.search(text)) and not _HOWEVER.search(text)


def is_lead_in(text: str) -> bool:
    """Whether a sentence only announces what follows it."""
    return text.rstrip(_TRAILING).endswith((":", "："))
