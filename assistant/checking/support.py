"""How well one text supports another, by shared words (pure): the measure behind quotes and checked citations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property

from assistant.checking.binding import Clause, bound_elsewhere, clauses_of
from assistant.checking.facts import AROUND, Date, Facts, Number, facts_of, read
from assistant.checking.polarity import contradicts
from assistant.events import DropReason
from retrieval.keyword.folding import HAN_RANGES, fold, fold_chunk
from retrieval.keyword.tokens import is_pair, is_single, tokenize, tokenize_folded
from retrieval.keyword.tokens import words as words_in
from retrieval.models import Chunk
from retrieval.rerankers.coverage import sentence_spans

_HAN_RUN = re.compile("[" + "".join(f"{chr(first)}-{chr(end - 1)}" for first, end in HAN_RANGES) + "]+")
_HAN = re.compile("[" + "".join(f"{chr(first)}-{chr(end - 1)}" for first, end in HAN_RANGES) + "]")


def tokens(text: str) -> list[str]:
    """Return words and pairs of Chinese characters, as the keyword index folds them; single characters if no more."""
    found = tokenize(text)
    return [token for token in found if not is_single(token)] or found


def has_han(text: str) -> bool:
    """Whether the text holds a Chinese character."""
    return _HAN.search(text) is not None


# What only introduces or joins: it says nothing that a source could support.
_STOCK = re.compile(
    r"(?:根据|依据|按照|依照|参照|由|从)?(?:以上|上述|下列|所给|给定|所?提供的|检索到的|现有|相关)*(?:资料|文档|文件|来源|材料)"
    r"(?:的?(?:内容|信息|描述|说明|规定|记载))?(?:中|里)?(?:显示|表明|可知|可见|指出|提到|提及|记载|介绍|所述|来看|得知)?[,:]?"
    r"|综上所述|综上|总的来说|总而言之|总之|因此|所以|此外|另外|同时|首先|其次|最后|其中|例如|比如|具体来说|具体而言|也就是说"
    r"|需要注意的是|值得注意的是|请注意"
    r"|(?:according to|based on) the (?:given |provided )?(?:sources?|documents?|materials?|information),?"
)
_FRAME_WORDS = re.compile(
    r"如下|以下|具体|包括|主要|几个|几点|方面|要点|步骤|总结|小结|答案|回答|说明|介绍|问题|情况|内容|情形|原因|特点|分别|归纳|整理"
    r"|您好|你好|感谢|谢谢|希望|帮助|疑问|随时|欢迎|继续|提问|抱歉|没有|找到|提到|提供|信息|资料|文档|来源|无法|不能|确定|判断|建议|咨询|补充"
)
_FUNCTION = frozenset(
    "的了是在和与及或为有以于之其这那此也都而且但就还又并等个们所者地得着过把被由从到对将会能可要该应当即则吗呢吧啊呀一"
)
_GRAMMAR = (
    "the a an of in on at to is are was were be been and or for with by as that this these those it its from has have"
    " had will can may must shall should do does did not no there their they he she his her you your we our who which"
)
_ENGLISH = frozenset(_GRAMMAR.split())
_EVERYDAY = frozenset(
    "一年中人大不上后时日成月出用行发来生分作多下长学部主经高方法家新最名开公自本同前及动他区第体文现业度北小市全"
    "美比西加间进政内如面期电数定民位子机天东我理外入世三关因物工至南代次通球种特场道合产平员台建性制系相表里选军二点"
)
"""Characters so frequent that a sentence may have them where its source has others."""
_TITLE = re.compile(r"《([^《》]{1,60})》")
_QUOTED = re.compile(r"[“「『\"]([^“”「」『』\"]{8,200})[”」』\"]")
_GAPS = re.compile(r"[\W_]+")
"""Punctuation and white space: a quotation may have others."""

MAX_MISSING = 0.1
"""Largest share of a sentence's characters that may stand nowhere in the passage; everyday ones count half."""
MAX_MISSING_RUN = 2.0
"""Most characters in a row, counted as above: three that the passage does not know are a name that it does not know."""
MIN_COVERED = 0.45
"""Least share of a sentence's words and pairs of characters that the passage must hold."""
MIN_NEAR = 0.35
"""Least share of them that three sentences of it in a row must hold."""
MIN_FOREIGN = 0.6
"""As MIN_COVERED, for sentences in letters, where there are words and no characters."""
SURE_COVERED = 0.7
"""Above this share the rules are sure of what they accept."""
SLIGHT_WEIGHT = 1.0
_NEAR = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say about a sentence and a passage.

    Args:
        reason: Why the passage does not support the sentence; None if it does.
        is_sure: False where the words leave doubt, or the languages differ, so that a model may know better.
        covered: Share of the sentence's words and pairs that the passage holds, in [0, 1].
    """

    reason: DropReason | None
    is_sure: bool
    covered: float

    @property
    def is_supported(self) -> bool:
        """Whether the passage supports the sentence."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that wants support.

    Args:
        folded: Folded, without words that only introduce.
        words: The same without numbers and dates.
        facts: Its numbers, dates and names.
        weights: Its words and pairs of characters, each with its weight.
        quoted: Titles in 《》 and longer quotations, without punctuation.
        has_han: Whether it is Chinese.
    """

    folded: str
    words: str
    facts: Facts
    weights: Mapping[str, float]
    titles: tuple[str, ...]
    quotations: tuple[str, ...]
    clauses: tuple[Clause, ...]
    has_han: bool

    @property
    def is_slight(self) -> bool:
        """Whether it says hardly anything: 等等."""
        return not self.facts.numbers and not self.facts.dates and sum(self.weights.values()) <= SLIGHT_WEIGHT

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Its numbers, and those of its dates."""
        return tuple(Number(value, unit) for value, units in self.facts.values().items() for unit in units)

    @classmethod
    def of(cls, sentence: str) -> Claim:
        """Read a sentence as the model wrote it, its markers taken out."""
        folded = _STOCK.sub(" ", fold(sentence))
        facts, words = read(folded)
        return cls(
            folded,
            words,
            facts,
            _weights_of(words),
            tuple(_GAPS.sub("", one) for one in _TITLE.findall(folded)),
            tuple(_GAPS.sub("", one) for one in _QUOTED.findall(fold(sentence))),
            clauses_of(folded),
            has_han(folded),
        )


class Text:
    """A folded text that is asked for tokens: most texts for few of them, so no list of all of them is made.

    A pair of characters written without spaces is a token wherever it stands; words are looked for once they are asked.

    Args:
        folded: The text.
    """

    __slots__ = ("_words", "folded")

    def __init__(self, folded: str) -> None:
        self.folded = folded
        self._words: AbstractSet[str] | None = None

    def held(self, wanted: Wanted) -> set[str]:
        """Return those of some tokens that the text has."""
        folded = self.folded
        found = {pair for pair in wanted.pairs if pair in folded}
        if wanted.words:
            if self._words is None:
                self._words = words_in(folded)
            found |= wanted.words & self._words
        return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """Tokens to look for: pairs of characters, and words."""

    pairs: tuple[str, ...]
    words: frozenset[str]

    @classmethod
    def of(cls, weights: Mapping[str, float]) -> Wanted:
        """Return what a sentence's weights are of."""
        pairs = tuple(filter(is_pair, weights))
        return cls(pairs, frozenset(weights).difference(pairs) if len(pairs) < len(weights) else frozenset())


class Passage:
    """What may support it: neighbouring chunks with title and heading; each thing is read when it is asked for.

    Args:
        said: The text.
        around: Title and heading.
    """

    def __init__(self, said: str, around: str = "") -> None:
        self._said = fold_chunk(said)
        self._around = fold(around)

    @cached_property
    def folded(self) -> str:
        """Title, heading and text."""
        return f"{self._around}\n{self._said}"

    @cached_property
    def bare(self) -> str:
        """The same without punctuation and white space."""
        return _GAPS.sub("", self.folded)

    @cached_property
    def facts(self) -> Facts:
        """Its numbers, dates and names."""
        return facts_of(self.folded)

    @cached_property
    def numbers(self) -> Mapping[float, frozenset[str]]:
        """Each value, those of dates too, with the units it has."""
        return self.facts.values()

    @cached_property
    def tokens(self) -> Text:
        """To ask for what it holds."""
        return Text(self.folded)

    @cached_property
    def context(self) -> Text:
        """To ask for what title and heading hold."""
        return Text(self._around)

    @cached_property
    def sentences(self) -> tuple[Text, ...]:
        """Those of the text, in reading order."""
        return tuple(Text(self._said[start:end]) for start, end in sentence_spans(self._said))

    @cached_property
    def has_han(self) -> bool:
        """Whether the text is Chinese."""
        return has_han(self._said)

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        """Each with its tokens, numbers and dates, in reading order; read for sentences that tell some."""
        return clauses_of(self._said)

    @classmethod
    def joined(cls, passages: Sequence[Passage]) -> Passage:
        """Return several read as one."""
        return _Joined(passages)

    @classmethod
    def of(cls, chunks: Sequence[Chunk], table_header: str = "") -> Passage:
        """Read chunks of one version, and the header of the table that they begin in."""
        lines = [*(chunk.context_line for chunk in chunks), table_header]
        return cls("\n".join(chunk.text for chunk in chunks), "\n".join(dict.fromkeys(lines)))


class _Joined(Passage):
    """Several passages read as one; no fact reaches from one into the next."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._said = "\n".join(passage._said for passage in passages)
        self._around = "\n".join(passage._around for passage in passages)

    @cached_property
    def folded(self) -> str:
        return "\n".join(passage.folded for passage in self._passages)

    @cached_property
    def bare(self) -> str:
        return "\n".join(passage.bare for passage in self._passages)

    @cached_property
    def facts(self) -> Facts:
        return Facts.joined([passage.facts for passage in self._passages])

    @cached_property
    def numbers(self) -> Mapping[float, frozenset[str]]:
        numbers: dict[float, frozenset[str]] = {}
        for passage in self._passages:
            for value, units in passage.numbers.items():
                numbers[value] = numbers.get(value, frozenset()) | units
        return numbers

    @cached_property
    def sentences(self) -> tuple[Text, ...]:
        return tuple(sentence for passage in self._passages for sentence in passage.sentences)


def judge(claim: Claim, passage: Passage) -> Verdict:
    """Tell whether a passage supports a sentence, by what can be compared without a model.

    Every number, date, title and name in letters must be in the passage; what it negates must be negated there; most
    of its words must be there, and near each other. In another language than the passage only the first can be
    compared: such a sentence counts as supported, unsurely, where nothing speaks against it.
    """
    covered = share_held(claim.weights, passage.tokens.held(Wanted.of(claim.weights)))
    same_language = claim.has_han == passage.has_han or (claim.has_han and covered > 0.5)
    reason = _wrong_fact(claim, passage, same_language)
    if reason is not None:
        return Verdict(reason, True, covered)
    if not same_language:
        return Verdict(None, False, covered)
    bound = None
    if any(clause.facts for clause in claim.clauses):
        bound = bound_elsewhere(claim.clauses, claim.weights, passage.clauses)
    if bound is not None:
        return Verdict("date" if isinstance(bound, Date) else "number", False, covered)
    near, best = _nearest(claim, passage)
    if contradicts(claim.folded, best):
        return Verdict("negation", False, covered)
    if claim.has_han:
        missing, run = _missing(claim.words, passage)
        if run > MAX_MISSING_RUN:
            return Verdict("name", False, covered)
        n_characters = sum(map(len, _HAN_RUN.findall(claim.folded)))
        if missing > MAX_MISSING * n_characters or covered < MIN_COVERED or near < MIN_NEAR:
            return Verdict("words", False, covered)
    elif covered < MIN_FOREIGN:
        return Verdict("words", False, covered)
    return Verdict(None, covered >= SURE_COVERED, covered)


def is_sound_frame(claim: Claim, everything: Passage) -> bool:
    """Whether a sentence that states nothing of its own tells nothing in passing that no source knows.

    Args:
        claim: A heading, a lead-in, a question back and the like.
        everything: All sources and the question.
    """
    facts = replace(claim.facts, numbers=frozenset(one for one in claim.facts.numbers if one.unit or one.value >= 10))
    if _wrong_fact(replace(claim, facts=facts, quotations=()), everything, everything.has_han == claim.has_han):
        return False
    return _missing(_FRAME_WORDS.sub(" ", claim.words), everything)[1] <= MAX_MISSING_RUN


def _wrong_fact(claim: Claim, passage: Passage, same_language: bool) -> DropReason | None:
    """Return the kind of the first thing in a sentence that the passage does not have and cannot say in other words."""
    if any(quotation not in passage.bare for quotation in claim.quotations) and same_language:
        return "quote"
    if not all(has_number(passage.numbers, number) for number in claim.facts.numbers):
        return "number"
    if not all(_has_date(passage, date) for date in claim.facts.dates):
        return "date"
    if (replaced := _replaced(claim, passage)) is not None:
        return replaced
    names = [name for name in claim.facts.names if claim.has_han or any(character.isdigit() for character in name)]
    titles = claim.titles if same_language else ()
    if any(_GAPS.sub("", name) not in passage.bare for name in (*names, *titles)):
        return "name"
    return None


def _replaced(claim: Claim, passage: Passage) -> DropReason | None:
    """Return the kind of a number or date where the passage has another one between the same words, not this one."""
    places = passage.facts.places
    for fact, before, behind in claim.facts.places:
        if len(before) < AROUND or len(behind) < AROUND:
            continue
        between = {other for other, left, right in places if left[-2:] == before[-2:] and right[:2] == behind[:2]}
        same_kind = {other for other in between if type(other) is type(fact)}
        if not same_kind or _is_part(fact, between):
            continue
        beside = [other for other, left, right in places if left[-2:] == before[-2:] or right[:2] == behind[:2]]
        if not _is_part(fact, beside):
            return "date" if isinstance(fact, Date) else "number"
    return None


def has_number(numbers: Mapping[float, frozenset[str]], number: Number) -> bool:
    """Whether a number is among some, in its unit or in one that is not known."""
    units = numbers.get(number.value)
    return units is not None and (not number.unit or "" in units or number.unit in units)


def _has_date(passage: Passage, date: Date) -> bool:
    """Whether a date's parts are all said, in one date or in one that leaves its year to another."""
    years = {None, *(other.year for other in passage.facts.dates)}
    if date.month is None:
        return date.year in years or date.year in passage.numbers
    return any(
        other.month == date.month
        and (date.day is None or other.day == date.day)
        and (date.year is None or other.year == date.year or (other.year is None and date.year in years))
        for other in passage.facts.dates
    )


def _is_part(fact: Number | Date, others: Iterable[Number | Date]) -> bool:
    """Whether one of the others says the same with more or fewer parts: 2021年 of 2021年3月, 5 of 5天."""
    if isinstance(fact, Number):
        return any(isinstance(other, Number) and other.value == fact.value for other in others)
    ours = (fact.year, fact.month, fact.day)
    return any(
        all(
            one is None or two is None or one == two
            for one, two in zip(ours, (other.year, other.month, other.day), strict=True)
        )
        for other in others
        if isinstance(other, Date)
    )


def _nearest(claim: Claim, passage: Passage) -> tuple[float, str]:
    """Return the share of a sentence that some sentences in a row hold, and the one of them that says most."""
    wanted = Wanted.of(claim.weights)
    given = passage.context.held(wanted)
    held = [sentence.held(wanted) for sentence in passage.sentences]
    shares = [0.0]
    best = (-1.0, "")
    for at, own in enumerate(held):
        if not own and best[0] >= 0:
            continue  # what begins here says no more than what begins behind it
        shares.append(share_held(claim.weights, given.union(*held[at : at + _NEAR])))
        alone = share_held(claim.weights, own)
        if alone > best[0]:
            best = (alone, passage.sentences[at].folded)
    return max(shares), best[1]


def _missing(words: str, passage: Passage) -> tuple[float, float]:
    """Return how many Chinese characters are not in a passage, and most of them in a row; everyday ones count half."""
    total = longest = 0.0
    folded = passage.folded
    unknown = [" " if one in _FUNCTION or one in folded else one for one in words]
    for stretch in _HAN_RUN.findall("".join(unknown)):
        run = sum(0.5 if character in _EVERYDAY else 1.0 for character in stretch)
        total += run
        longest = max(longest, run)
    return total, longest


def share_held(weights: Mapping[str, float], held: AbstractSet[str]) -> float:
    """Return the share of a sentence's weights that some tokens hold; 1 for a sentence that has none."""
    total = sum(weights.values())
    return sum(weight for token, weight in weights.items() if token in held) / total if total else 1.0


def _weights_of(folded: str) -> dict[str, float]:
    """Return a sentence's pairs and words; those of grammatical characters and words weigh little, numbers nothing."""
    found = [token for token in tokenize_folded(folded) if not is_single(token) and not token[0].isdigit()]
    return {token: _weight(token) for token in found}


def _weight(token: str) -> float:
    if token[0].isascii():
        return 0.1 if token in _ENGLISH else 2.0
    return sum(0.25 if character in _FUNCTION else 1.0 for character in token) / len(token)
