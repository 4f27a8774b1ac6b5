"""Does one text deny what another affirms? By the words right behind what negates (pure, on folded text)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CUE = re.compile(
    r"不得不|不能不|不可不|无不|不无|未必不|不仅仅?|不但|不只|不光|不单|不断|不久|不少|不同|不过|不论|不管|不锈|不动产|不等|不时"
    r"|不良|不满|不足|不到|不禁|不妨|没落|没收|没事|未来|未婚妻?|未央|未必|无论|无线|无锡|无形|无人机|无名|无数|无限|无穷|无私|无比|除非"
    r"|(?P<cue>(?:并|绝|毫|从)?(?:没有?|不|未|无)|并非|绝非|勿|禁止|严禁|谢绝|拒绝|否认|免于"
    r"|\b(?:not|no|never|cannot|without)\b|n't\b)"
)
"""What negates has the group `cue`; what only looks like it, or negates twice, has none."""
_MODAL = re.compile(
    r"(?:可以|能够|能|得|会|应当|应该|应|要|必须|必|须|需要|需|准|允许|允|许|用|曾|有|是|为|再|被|予以|予|法|到|了)+"
)
_CLAUSE_END = re.compile(r"[,;。！？!?:\n]|\.\s")
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af]")
_BEFORE = 6
"""A word this near behind a cue, in its clause, is negated by it."""
_AROUND = 2
_BEHIND = 3
"""As above, the cue behind the word: 被禁止, 是不允许的."""


def contradicts(claim: str, sentence: str) -> str | None:
    """Return the word that one of two folded texts negates and the other does not, or None.

    Args:
        claim: A sentence.
        sentence: The part of a passage that says most of it.
    """
    for word in dict.fromkeys((*_negated(claim), *_negated(sentence))):
        ours, theirs = _polarities(claim, word), _polarities(sentence, word)
        if ours and theirs and not ours & theirs:
            return word
    return _turned(claim, sentence) or _turned(sentence, claim)


def _turned(negating: str, other: str) -> str | None:
    """Return a cue without which its surroundings stand in the other text word for word, and with which they do not."""
    for match in _CUE.finditer(negating):
        before, behind = negating[max(0, match.start() - _AROUND) : match.start()], negating[match.end() :][:_AROUND]
        if match["cue"] is None or len(before + behind) < 2 * _AROUND:
            continue
        # 没有 turns both 有 and nothing at all.
        for kept in ("", "有") if match[0].endswith("有") else ("",):
            if before + kept + behind in other and before + match[0] + behind not in other:
                return match[0]
    return None


def _negated(text: str) -> Iterator[str]:
    """Yield the two characters, or the word, that stand right behind each cue."""
    for match in _CUE.finditer(text):
        if match["cue"] is None:
            continue
        start = match.end()
        modal = _MODAL.match(text, start)
        # 不可以携带 negates 携带, and 可以 itself.
        for at in {start, modal.end() if modal else start}:
            word = _word_at(text, at)
            if word:
                yield word


def _word_at(text: str, at: int) -> str:
    while at < len(text) and text[at] == " ":
        at += 1
    if _HAN.match(text, at):
        pair = text[at : at + 2]
        return pair if len(pair) == 2 and _HAN.match(pair, 1) else ""
    found = re.compile(r"[a-z]{3,}").match(text, at)
    return found[0] if found else ""


def _polarities(text: str, word: str) -> set[bool]:
    """Return how a word occurs in a text: negated (True), affirmed (False), both or not at all."""
    found: set[bool] = set()
    at = text.find(word)
    while at >= 0:
        found.add(_is_negated(text, at, at + len(word)))
        at = text.find(word, at + 1)
    return found


def _is_negated(text: str, start: int, end: int) -> bool:
    window = max(0, start - _BEFORE - (6 if text[start].isascii() else 0))
    before = text[window:start]
    for cut in _CLAUSE_END.finditer(before):
        window = start - len(before) + cut.end()
    behind = text[end : end + _BEHIND]
    stop = _CLAUSE_END.search(behind)
    stretch = text[window:start] + "\0" + (behind[: stop.start()] if stop else behind)
    # A cue that reaches into the word itself (无需 | 需要) would have been cut; look at the original too.
    return any(match["cue"] is not None for match in _CUE.finditer(stretch)) or any(
        match["cue"] is not None and match.start() < start < match.end() for match in _CUE.finditer(text, window, end)
    )
