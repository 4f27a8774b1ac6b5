"""A question over several facts -> a question for each (pure).

Strict: most questions that hold 和 are over one fact (谁和谁合作, 武藏浦和站, A和B之间的关系). Only these are split:
what is asked of each 分别, comparisons, two years, a property of two things, two properties of one thing, and clauses
that each ask. The parts are for searching: they need the right words, not good grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from assistant.conversation.alike import ASKING, ASKS, EACH, EDGE, ENDS, MAX_NAME_CHARS, PROPERTY, likeness
from assistant.conversation.leaning import leans_on_history
from assistant.conversation.search import Search

MAX_PARTS = 4
"""Most questions that one is split into."""

_MAX_CHARS = 200

# "…的时间", "…的时间是什么时候".
_ABOUT_PROPERTY = re.compile(
    rf"(?:{PROPERTY})(?:[是为為有]?(?:多少|[几幾]|什[么麼]|[谁誰]|哪些?|何|怎[么麼]?[样樣]|如何)(?:[时時]候|日期|天|人|[样樣]|[个個]|名|位|[钱錢]|地方|里)?)?$"
)
_EACH_ASKED = re.compile(rf"(?:{EACH})(?:[^、，,]{{0,24}}(?:{ASKING})|的?(?:{PROPERTY})$)")
_COMPARES = re.compile(
    "^(?:请|請)?(?:比较|比較|对比|對比)|(?:哪一?[个個家种種部款位项項条條年者]?|[谁誰]|何者).{0,12}?[更较較]|"
    "(?:哪一?[个個家种種款]|[谁誰])[的比]?.{0,6}?[早晚高低多少大小长長短好快慢贵貴远遠近强強]$"
)
# One fact of both, or 和 that means "with".
_TOGETHER = re.compile(
    "之间|之間|[关關][系係]|一起|合作|共同|[联聯]合|[并並][称稱]|合[并併]|(?<!成)都(?=[是有在能会會用可要被以需])|[均皆]|同[时時]|[还還]是|有[关關]|相[关關]|"
    "[和与與跟及](?:[谁誰哪何]|什[么麼])"
)
_CONJUNCTION = re.compile("以及|[和与與及跟、]")
_YEARS = re.compile(r"(?P<one>\d{4}年?)[和与與、及](?P<other>\d{4}年)")
# Where the one side of 和 may well start.
_STARTS = re.compile(
    r"(?<=[的，,、》」”年月日在对對由从從：:])|(?<=比[较較])|(?<=[对對]比)|(?<=根[据據])|(?<=结合)|(?<=結合)|(?<=参加了)|(?<=被告人)|(?<=患者)|"
    r"(?<=\d)(?=[一-龥])(?![年月日])|^"
)
_LISTED = re.compile("(?:[^、，,的]{2,12}、)+$")
_MAX_CONJUNCTIONS = 8
_CLAUSES = re.compile(
    r"[，,；;？?。]+\s*(?:and\s+)?|(?:以及|[还還]有)(?=.{0,12}?(?:什[么麼]|[谁誰哪]|多少|怎))|,?\s+and\s+(?=(?:what|who|when|where|how|which|why)\b)",
    re.IGNORECASE,
)
_UNFINISHED = re.compile("[后後时時中下里裡上前外]$")
_ASKS_ENGLISH = re.compile(r"\b(?:what|who|when|where|how|which|why)\b", re.IGNORECASE)
_ENGLISH_TRIGGER = re.compile(
    r"\brespectively\b|^(?:please )?compare\b|\bdifferences? between\b|\bwhich\b.*\b(?:\w+er|more|less|better|worse)\b",
    re.IGNORECASE,
)
_BEFORE_ENGLISH = re.compile(
    r"(?:compare|between|of|for|in|by|did|do|does|are|is|were|was|have|has)$|,$", re.IGNORECASE
)
_MAX_WORDS = 4


@dataclass(frozen=True, slots=True)
class _Pair:
    """A clause with two things in it: lead + either side + tail; the better the sides match, the higher the score."""

    lead: str
    sides: tuple[str, ...]
    tail: str
    score: float

    def variants(self) -> tuple[str, ...]:
        return tuple(f"{self.lead}{side}{self.tail}" for side in self.sides)


def split(question: str) -> tuple[Search, ...]:
    """Return a search for each of several facts, at most `MAX_PARTS`; empty for a question over one fact."""
    text = question.strip().rstrip("？?。！!. ")
    if len(text) > _MAX_CHARS:
        return ()
    parts = _split_clauses(text) or _split_english(text) or _split_years(text) or _split_pairs(text)
    return parts if len(parts) <= MAX_PARTS else ()


def _split_clauses(text: str) -> tuple[Search, ...]:
    """Split clauses that each ask: "芯片是什么，起售价多少"; the later ones may speak of what the first names."""
    first, *later = [clause.strip() for clause in _CLAUSES.split(text) if clause.strip()] or [""]
    if not later or any(map(_UNFINISHED.search, (first, *later))):
        return ()
    in_chinese = ASKS.search(first) and all(ASKS.search(clause) or clause.endswith("呢") for clause in later)
    if not in_chinese and not all(map(_ASKS_ENGLISH.search, (first, *later))):
        return ()
    return (Search(first), *(Search(clause, (first,) if leans_on_history(clause) else ()) for clause in later))


def _split_years(text: str) -> tuple[Search, ...]:
    years = _YEARS.search(text)
    if years is None or _TOGETHER.search(text):
        return ()
    lead, tail = text[: years.start()], text[years.end() :]
    return tuple(Search(_plain(f"{lead}{year.rstrip('年')}年{tail}")) for year in years.groups())


def _split_pairs(text: str) -> tuple[Search, ...]:
    """Split clauses with several things each: the firsts of all clauses make one question, the seconds the other."""
    if not _asks_of_each(text) or len(_CONJUNCTION.findall(text)) > _MAX_CONJUNCTIONS:
        return ()
    clauses = re.split("(?<=[，,])", text)
    pairs = [_best_pair(clause) for clause in clauses]
    n_parts = max((len(pair.sides) for pair in pairs if pair is not None), default=0)
    variants = [
        pair.variants() if pair is not None and len(pair.sides) == n_parts else (clause,) * n_parts
        for clause, pair in zip(clauses, pairs, strict=True)
    ]
    return tuple(Search(_plain("".join(chosen))) for chosen in zip(*variants, strict=True))


def _asks_of_each(text: str) -> bool:
    """Whether the question asks something of each of two things, not one thing of both."""
    if _EACH_ASKED.search(text):
        return True
    if _TOGETHER.search(text):
        return False
    if _COMPARES.search(text):
        return True
    asked = _ABOUT_PROPERTY.search(text)
    return asked is not None and "跟" not in text and ASKS.search(text, 0, asked.start()) is None


def _best_pair(clause: str) -> _Pair | None:
    pairs = [_pair_at(clause, found.start(), found.end()) for found in _CONJUNCTION.finditer(clause)]
    # The later of equals: what stands first may be a name that holds 与.
    return max(reversed([pair for pair in pairs if pair is not None]), key=lambda pair: pair.score, default=None)


def _pair_at(clause: str, before: int, after: int) -> _Pair | None:
    """Find how far the two sides of a conjunction reach: where they are built most alike."""
    left, right = clause[:before], clause[after:]
    starts = {match.end() for match in _STARTS.finditer(left)}
    ends = {match.start() for match in ENDS.finditer(right)}
    best: _Pair | None = None
    for start in range(max(0, len(left) - MAX_NAME_CHARS), len(left) - 1):
        for end in range(2, min(len(right), MAX_NAME_CHARS) + 1):
            one, other = left[start:], right[:end]
            edges = (start in starts) + (end in ends)
            usual = 0.05 if not edges and 2 < len(one) < 5 else 0.0  # of names
            score = likeness(one, other) + EDGE * edges + usual
            if score > 0 and (best is None or score > best.score):
                best = _Pair(left[:start], (one, other), right[end:], score)
    return _with_more(best) if best is not None else None


def _with_more(pair: _Pair) -> _Pair:
    """Add what is listed before the two sides: the A of "A、B和C"."""
    listed = _LISTED.search(pair.lead)
    if listed is None:
        return pair
    return replace(pair, lead=pair.lead[: listed.start()], sides=(*listed[0].rstrip("、").split("、"), *pair.sides))


def _plain(text: str) -> str:
    return re.sub("^[请請]?(?:比[较較]|[对對]比)(?:一下)?", "", re.sub(EACH, "", text)).strip("，, ")


def _split_english(text: str) -> tuple[Search, ...]:
    """Split "X and Y": X reaches back to a preposition, verb or comma, and Y has as many words."""
    if not _ENGLISH_TRIGGER.search(text):
        return ()
    words = re.sub(r"\s*\brespectively\b", "", text, flags=re.IGNORECASE).split()
    for at in (index for index, word in enumerate(words) if word.lower() in ("and", "or", "vs", "vs.")):
        starts = [index for index in range(max(1, at - _MAX_WORDS), at) if _BEFORE_ENGLISH.search(words[index - 1])]
        if starts:
            lead, one, rest = words[: starts[-1]], words[starts[-1] : at], words[at + 1 :]
            other, tail = rest[: len(one)], rest[len(one) :]
            return tuple(Search(" ".join([*lead, *side, *tail])) for side in (one, other))
    return ()
