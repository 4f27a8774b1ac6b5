"""Does a generated answer say that the sources hold no answer? By its first sentence (pure)."""

from __future__ import annotations

import re

from retrieval.keyword.folding import fold

_SOURCES = r"(?:资料|文档|文件|材料|来源|上下文|文中|文本|片段|知识库|参考|给出的内容|提供的(?:信息|内容))"
_LACKS = (
    r"(?:没有|并?未|不)(?:能|曾)?(?:直接|明确|具体)?(?:找到|查到|提到|提及|提供|包含|包括|含有|说明|给出|涉及|记载|写明|回答|相关|有关|任何|关于|足够|答案)"
    r"|(?:找|查)不到|无法(?:找到|查到|得知|确定|判断|回答)|无相关"
)
# Folded: simplified, lower case. Both orders: 资料中没有…, 没有在资料中找到…
_CHINESE = re.compile(
    rf"{_SOURCES}[^。！？!?]{{0,12}}(?:{_LACKS})"
    rf"|(?:没有|未能?|无法)(?:在|从|根据)[^。！？!?]{{0,12}}{_SOURCES}[^。！？!?]{{0,8}}(?:找到|查到|得知|确定|判断|回答|得出)"
    r"|^(?:很?抱歉|对不起)[^。！？!?]{0,20}(?:无法|不能)(?:回答|确定|提供)"
    r"|^我(?:无法|不能)回答|^无法回答(?:这个|该|此|您|你|[。,，]|$)|^我不知道"
)
_PLACE = r"(?:sources?|documents?|context|passages?|texts?|materials?|excerpts?|information provided)"
_GIVEN = r"(?:mentioned|found|stated|provided|specified|given|available)"
_ENGLISH = re.compile(
    r"no answer in the sources"
    rf"|\b{_PLACE}\b[^.!?]{{0,30}}\b(?:do|does|did) ?(?:not|n't) (?:\w+ )?"
    r"(?:contain|mention|include|provide|say|state|specify|answer|hold|cover)"
    rf"|\b(?:not|n't|no\b[^.!?]{{0,40}}) (?:\w+ )?{_GIVEN} (?:in|by) (?:the|your|these) (?:\w+ )?{_PLACE}"
    r"|^(?:i'm |i am )?sorry[^.!?]{0,40}\b(?:cannot|can't|could not|couldn't|unable)\b"
    rf"|^i (?:cannot|can't|could not|couldn't|am unable to|was unable to) (?:find|answer)"
    r"|^i (?:do not|don't) know\b"
)
_FIRST = re.compile(r"[^。！？!?\n]*?(?:[。！？!?\n]|\.(?=\s|$)|$)")
_MAX_CHARS = 200


def is_model_refusal(text: str, n_citations: int) -> bool:
    """Whether a generated answer says that the sources do not hold the answer; one that cites something does not.

    What is said later (但资料中没有提到…) only limits an answer, so the first sentence decides.
    """
    if n_citations:
        return False
    first = _FIRST.match(text.strip())
    said = fold(first.group() if first is not None else "")[:_MAX_CHARS].replace("’", "'").strip()
    return _CHINESE.search(said) is not None or _ENGLISH.search(said) is not None
