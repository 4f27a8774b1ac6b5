"""A question over several facts -> a question for each (pure).

Strict: most questions that hold 和 are over one fact (谁和谁合作, 武藏浦和站, A和B之间的关系). Only these are split:
what is asked of each 分别, comparisons, two years, a property of two things, two properties of one thing, and clauses
that each ask. The parts are for searching: they need the right words, not good grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import zip_longest

from assistant.conversation.leaning import leans_on_history
from assistant.conversation.search import Search

MAX_PARTS = 4
"""Most questions that one is split into."""

_MAX_CHARS = 200
_MAX_SIDE_CHARS = 24

_EACH = "分别|分別|各自"
_ASKS_WORD = (
    "什么|什麼|谁|誰|哪|[几幾][个個年月日天次种種位人岁歲号號]|多少|多久|多[大长長高远遠]|怎|如何|"
    "何[时時地种種]|[为為]何|吗|嗎|是否|能否|有[没沒]有"
)
_ASKS = re.compile(_ASKS_WORD)
_PROPERTY = (
    "[时時][间間]|日期|年份|期限|地点|地點|地址|人[数數]|[数數天次总總][数數量]|[产產销銷]量|票房|[冠亚亞季]军|冠軍|得主|[价價]格|售[价價]|[费費]用|[金额額]+|"
    "收入|[营營]收|利[润潤]|成本|[预預]算|增速|[一-龥]率|面[积積]|人口|[长長高温溫]度|成[绩績]|分[数數]|比分|排名|名次|[结結]果|[标標]准|標準|[条條]件|流程|上限|"
    "下限|[额額]度|比例|占比|[导導]演|主演|[编編][剧劇]|作者|主角|[处處]理器|芯片|配置|型[号號]|[职職][位务務]|[学學][历歷]|[专專][业業]|主[诉訴]|[诊診][断斷]|"
    "[总總]部|首都|[电電][话話]|[邮郵]箱|[负負][责責]人|[联聯][系繫]人|董事[长長]|[经經]理"
)
_ENDS_AS_PROPERTY = re.compile(rf"(?:{_PROPERTY})$")
# "…的时间", "…的时间是什么时候".
_ABOUT_PROPERTY = re.compile(
    rf"(?:{_PROPERTY})(?:[是为為有]?(?:多少|[几幾]|什[么麼]|[谁誰]|哪些?|何|怎[么麼]?[样樣]|如何)(?:[时時]候|日期|天|人|[样樣]|[个個]|名|位|[钱錢]|地方|里)?)?$"
)
_EACH_ASKED = re.compile(rf"(?:{_EACH})(?:[^、，,]{{0,24}}(?:{_ASKS_WORD})|的?(?:{_PROPERTY})$)")
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
# Where the one side of 和 may well start, and the other end.
_STARTS = re.compile(
    r"(?<=[的，,、》」”年月日在对對由从從：:])|(?<=比[较較])|(?<=[对對]比)|(?<=根[据據])|(?<=结合)|(?<=結合)|(?<=参加了)|(?<=被告人)|(?<=患者)|"
    r"(?<=\d)(?=[一-龥])(?![年月日])|^"
)
_ENDS = re.compile(rf"(?=[的在是为為有于於各被能会會要可，,。\d]|{_EACH}|(?<!成)都)")
_JOINTS = re.compile("[的在是，,有]")
_LISTED = re.compile("(?:[^、，,的]{2,12}、)+$")
_EDGE = 0.4
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
    in_chinese = _ASKS.search(first) and all(_ASKS.search(clause) or clause.endswith("呢") for clause in later)
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
    return asked is not None and "跟" not in text and _ASKS.search(text, 0, asked.start()) is None


def _best_pair(clause: str) -> _Pair | None:
    pairs = [_pair_at(clause, found.start(), found.end()) for found in _CONJUNCTION.finditer(clause)]
    # The later of equals: what stands first may be a name that holds 与.
    return max(reversed([pair for pair in pairs if pair is not None]), key=lambda pair: pair.score, default=None)


def _pair_at(clause: str, before: int, after: int) -> _Pair | None:
    """Find how far the two sides of a conjunction reach: where they are built most alike."""
    left, right = clause[:before], clause[after:]
    starts = {match.end() for match in _STARTS.finditer(left)}
    ends = {match.start() for match in _ENDS.finditer(right)}
    best: _Pair | None = None
    for start in range(max(0, len(left) - _MAX_SIDE_CHARS), len(left) - 1):
        for end in range(2, min(len(right), _MAX_SIDE_CHARS) + 1):
            one, other = left[start:], right[:end]
            edges = (start in starts) + (end in ends)
            usual = 0.05 if not edges and 2 < len(one) < 5 else 0.0  # of names
            score = _likeness(one, other) + _EDGE * edges + usual
            if score > 0 and (best is None or score > best.score):
                best = _Pair(left[:start], (one, other), right[end:], score)
    return _with_more(best) if best is not None else None


def _with_more(pair: _Pair) -> _Pair:
    """Add what is listed before the two sides: the A of "A、B和C"."""
    listed = _LISTED.search(pair.lead)
    if listed is None:
        return pair
    return replace(pair, lead=pair.lead[: listed.start()], sides=(*listed[0].rstrip("、").split("、"), *pair.sides))


def _likeness(one: str, other: str) -> float:
    """Return how alike two sides are built: same ending, length and kind of characters; negative if they cannot be."""
    whole = one.count("《") == one.count("》") and other.count("《") == other.count("》")
    if not whole or one.endswith(other) or other.endswith(one) or _ASKS.search(one) or _ASKS.search(other):
        return -10.0
    pairs = zip_longest(reversed(one), reversed(other))
    same_end = next(index for index, (a, b) in enumerate(pairs) if a != b)
    length = 1 - abs(len(one) - len(other)) / max(len(one), len(other))
    kinds = one[0].isascii() == other[0].isascii() and one[0].isdigit() == other[0].isdigit()
    joints = len(_JOINTS.findall(one)) + len(_JOINTS.findall(other))
    properties = bool(_ENDS_AS_PROPERTY.search(one)) + bool(_ENDS_AS_PROPERTY.search(other))
    # One of two alone that ends as a property may have taken what belongs to both: 布林肯和耶伦访华时间.
    ends = (0.5, -0.5 if len(one) != len(other) else 0.5, 1.5)[properties]
    return min(same_end, 3) + length + ends - (0.0 if kinds else 1.5) - 0.5 * joints


def _plain(text: str) -> str:
    return re.sub("^[请請]?(?:比[较較]|[对對]比)(?:一下)?", "", re.sub(_EACH, "", text)).strip("，, ")


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
