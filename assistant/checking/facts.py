"""The facts of a sentence that can be compared one by one: numbers with their units, dates, names in letters (pure).

Each is brought to one form: 十五, 15 and １５; 百分之五 and 5%; 1.5万 and 15,000; 二〇二一年三月 and 2021-03. What is
read comes folded (`retrieval.keyword.folding.fold`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.keyword.tokens import words


@dataclass(frozen=True, slots=True)
class Number:
    """A number.

    Args:
        value: Scales such as 万 are multiplied in.
        unit: What it counts, as one word for all its spellings; "" where nothing known follows.
    """

    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Date:
    """A date, or the parts of it that are named."""

    year: int | None = None
    month: int | None = None
    day: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text states in numbers, dates and names.

    Args:
        numbers: Each one once.
        dates: Each one once.
        names: Words in Latin and other spaced letters, codes such as gpt-4 included.
        places: Each number and date with the characters around it: before, behind.
    """

    numbers: frozenset[Number]
    dates: frozenset[Date]
    names: frozenset[str]
    places: tuple[tuple[Number | Date, str, str], ...]

    @classmethod
    def joined(cls, several: Sequence[Facts]) -> Facts:
        """Return the facts of several texts as those of one."""
        return cls(
            frozenset().union(*(facts.numbers for facts in several)),
            frozenset().union(*(facts.dates for facts in several)),
            frozenset().union(*(facts.names for facts in several)),
            tuple(place for facts in several for place in facts.places),
        )

    def values(self) -> dict[float, frozenset[str]]:
        """Return each number, and each number of a date, with the units that it has.

        A month or day has a unit that no number has: the 5 of 3月5日 is a 5 that stands alone, but not 5天.
        """
        units: dict[float, set[str]] = defaultdict(set)
        for number in self.numbers:
            units[number.value].add(number.unit)
        for date in self.dates:
            for part in (date.year, date.month, date.day):
                if part is not None:
                    units[float(part)].add("" if part == date.year else DATE_PART)
        return {value: frozenset(found) for value, found in units.items()}


DATE_PART = "date"
AROUND = 3
"""Characters kept on each side of a number or date."""

_DIGITS = "零〇一二三四五六七八九"
_FINANCIAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾佰仟两", "一二三四五六七八九十百千二")
_SCALES = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "亿": 100_000_000}
_HAN = "[零〇一二三四五六七八九十百千万亿两壹贰叁肆伍陆柒捌玖拾佰仟]"
_ARABIC = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?"
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH_NAMES = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
)
_ENGLISH = {
    **{
        "two": 2,
        "three": 3,
        "four": 4,
        "five": 5,
        "six": 6,
        "seven": 7,
        "eight": 8,
        "nine": 9,
        "ten": 10,
        "eleven": 11,
    },
    **{"twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18},
    **{"nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80},
    "ninety": 90,
}
_LETTERS = "".join(sorted({name[0] for name in (*_MONTHS, *_ENGLISH)}))
_ENGLISH_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9}

# Unit word -> spellings, longest first within the pattern; a number counts as another's equal only in the same unit.
_UNITS = {
    "%": "%|percent|per cent|个百分点|百分点",
    "‰": "‰",
    "year": "周年|年|years?",
    "decade": "年代",
    "century": "世纪|th century|st century",
    "month": "个月|月|months?",
    "week": "个?星期|个?礼拜|周|weeks?",
    "day": "个?工作日|个?自然日|天|日|days?",
    "hour": "个?小时|个?钟头|hours?",
    "minute": "分钟|minutes?",
    "second": "秒钟?|seconds?",
    "age": "周岁|岁",
    "usd": "美元|美金|dollars?|usd",
    "hkd": "港[元币]",
    "jpy": "日[元圆]",
    "eur": "欧元|euros?",
    "twd": "新?台币",
    "cny": "元|圆|块钱?|人民币|yuan|rmb|cny",
    "km2": "平方公里|平方千米",
    "m2": "平方米|平米|m2",
    "km": "公里|千米|km(?![a-z])|kilometers?|kilometres?",
    "cm": "厘米|公分|cm(?![a-z])",
    "mm": "毫米|mm(?![a-z])",
    "m": "米|m(?![a-z])",
    "ha": "公顷",
    "mu": "亩",
    "kg": "公斤|千克|kg(?![a-z])",
    "t": "吨",
    "mg": "毫克|mg(?![a-z])",
    "g": "克|g(?![a-z])",
    "ml": "毫升|ml(?![a-z])",
    "l": "升",
    "degree": "摄氏度|度|℃|°c",
    "kwh": "千瓦时",
    "kw": "千瓦",
    "mw": "兆瓦",
    "person": "人|名|位",
    "times": "倍",
    "article": "条",
    "clause": "款",
    "page": "页",
    "chapter": "章",
    "gb": "gb(?![a-z])",
    "mb": "mb(?![a-z])",
}
_UNIT_OF = [(re.compile(spellings), unit) for unit, spellings in _UNITS.items()]
_UNIT = "|".join(sorted((one for spellings in _UNITS.values() for one in spellings.split("|")), key=len, reverse=True))
_AFTER = rf"(?:多|余|几|来)?(?P<{{}}>{_UNIT})?"
# A single numeral such as 一 or 十 is a number only before what is measured: not in 十分, 一般, 一个, 统一.
_MEASURED = "|".join(
    one
    for unit, spellings in _UNITS.items()
    if unit not in ("person", "times")
    for one in spellings.split("|")
    if not one[0].isascii()
)

_SCAN = re.compile(
    # What any of these begins with: it spares most places of a text all the rest.
    rf"(?=[\d¥$€{_HAN[1:-1]}{_LETTERS}])(?:"
    rf"(?<![\d.])(?P<y1>\d{{4}})\s*[-/.]\s*(?P<m1>\d{{1,2}})\s*[-/.]\s*(?P<d1>\d{{1,2}})(?![\d.])"
    rf"|(?<![\d.])(?P<y2>\d{{4}}|[{_DIGITS}]{{4}})\s*年(?!代)(?:\s*(?P<m2>\d{{1,2}}|{_HAN}{{1,2}})\s*月份?"
    rf"(?:\s*(?P<d2>\d{{1,2}}|{_HAN}{{1,3}})\s*[日号])?)?"
    rf"|(?<![\d.])(?P<y3>\d{{4}})-(?P<m3>0[1-9]|1[0-2])(?![\d-])"
    rf"|(?<![\d.个])(?P<m4>\d{{1,2}}|{_HAN}{{1,2}})\s*月(?:份|\s*(?P<d4>\d{{1,2}}|{_HAN}{{1,3}})\s*[日号]|(?!间))"
    rf"|\b(?P<m5>{_MONTH_NAMES})\s+(?:(?P<d5>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\s*(?P<y5>\d{{4}}))?|(?P<y6>\d{{4}}))"
    rf"|\b(?P<d7>\d{{1,2}})(?:st|nd|rd|th)?\s+(?P<m7>{_MONTH_NAMES})(?:,?\s*(?P<y7>\d{{4}}))?"
    rf"|百分之(?P<percent>{_ARABIC}|{_HAN}+(?:点[{_DIGITS}]+)?)"
    rf"|(?:(?P<money>[¥$€])\s?)?(?<![a-z\d._])(?<![a-z]-)(?P<arabic>{_ARABIC})\s?(?P<scale>[百千万亿]+(?![克米瓦卡])|"
    r"(?:hundred|thousand|million|billion)\b)?\s?" + _AFTER.format("unit") + r"(?![a-z\d])"
    rf"|(?P<han>{_HAN}{{2,}}(?:点[{_DIGITS}]+)?|{_HAN}点[{_DIGITS}]+(?![十分])){_AFTER.format('han_unit')}"
    rf"|(?P<one>{_HAN})(?P<one_unit>{_MEASURED})"
    rf"|\b(?P<word>{'|'.join(_ENGLISH)})\b(?:[\s-]+(?P<word_scale>{'|'.join(_ENGLISH_SCALES)}))?\s*(?P<word_unit>{_UNIT})?)"
)
# What stands there in other words than numbers.
_NO_NUMBERS = frozenset(
    {"万一", "千万", "一一", "百万", "十万", "千百", "万千", "亿万", "万万", "三三两两", "一千零一"}
)


def facts_of(folded: str) -> Facts:
    """Return the facts of a folded text."""
    return read(folded)[0]


def read(folded: str) -> tuple[Facts, str]:
    """Return the facts of a folded text, and the text without them."""
    numbers: set[Number] = set()
    dates: set[Date] = set()
    places: list[tuple[Number | Date, str, str]] = []
    rest: list[str] = []
    position = 0
    for match in _SCAN.finditer(folded):
        start, end = match.span()
        rest.append(folded[position:start])
        position = end
        groups = {key: text for key, text in match.groupdict().items() if text}
        found = _date(groups) or _percent(groups.get("percent")) or _counted(groups)
        if found is None:
            continue
        if isinstance(found, Date):
            dates.add(found)
        else:
            numbers.add(found)
        places.append((found, folded[max(0, start - AROUND) : start], folded[end : end + AROUND]))
    words_alone = " ".join([*rest, folded[position:]])
    # What was read as a number or date is no name any more: km, march, five.
    names = frozenset(word for word in words(words_alone) if not word[0].isdigit() and len(word) > 1)
    return Facts(frozenset(numbers), frozenset(dates), names, tuple(places)), words_alone


def numeral(text: str) -> float | None:
    """Return the value of a Chinese numeral, or None if it is none: 十五, 二〇二一, 三千五百万, 五点二."""
    whole, _, decimals = text.translate(_FINANCIAL).replace("〇", "零").partition("点")
    fraction = float("0." + "".join(str(_value(digit)) for digit in decimals)) if decimals else 0.0
    if not any(character in _SCALES for character in whole):
        return float("".join(str(_value(digit)) for digit in whole)) + fraction if whole else None
    total = section = digit = 0
    for character in whole:
        scale = _SCALES.get(character)
        if scale is None:
            digit = _value(character)
        elif scale < 10_000:
            section += (digit or 1) * scale
            digit = 0
        else:
            total = (total + section + digit or 1) * scale
            section = digit = 0
    return float(total + section + digit) + fraction


def _value(digit: str) -> int:
    return "零一二三四五六七八九".index(digit.replace("〇", "零"))


def _percent(text: str | None) -> Number | None:
    value = _number(text) if text else None
    return None if value is None else Number(value, "%")


def _date(groups: dict[str, str]) -> Date | None:
    parts = {key[0]: _part(text) for key, text in groups.items() if key[0] in "ymd" and key[1:].isdigit()}
    if "y" not in parts and "m" not in parts:
        return None
    return Date(parts.get("y"), parts.get("m"), parts.get("d"))


def _part(text: str) -> int:
    if text[0].isascii() and text[0].isalpha():
        return _MONTHS.index(text[:3]) + 1
    return int(text) if text.isdecimal() else int(numeral(text) or 0)


def _number(text: str) -> float | None:
    return float(text.replace(",", "")) if text[0].isdecimal() else numeral(text)


def _counted(groups: dict[str, str]) -> Number | None:
    if (word := groups.get("word")) is not None:
        scale = _ENGLISH_SCALES.get(groups.get("word_scale", ""), 1.0)
        return Number(_ENGLISH[word] * scale, _unit(groups.get("word_unit")))
    if (arabic := groups.get("arabic")) is not None:
        money = {"¥": "cny", "$": "usd", "€": "eur"}.get(groups.get("money", ""))
        return _decade(
            Number(float(arabic.replace(",", "")) * _scale(groups.get("scale")), money or _unit(groups.get("unit")))
        )
    han, unit = groups.get("han") or groups.get("one"), groups.get("han_unit") or groups.get("one_unit")
    if han is None or (han in _NO_NUMBERS and not unit):
        return None
    value = numeral(han)
    return None if value is None else _decade(Number(value, _unit(unit)))


def _decade(number: Number) -> Number:
    return Number(number.value % 100, number.unit) if number.unit == "decade" else number


def _scale(text: str | None) -> float:
    if not text:
        return 1.0
    if text in _ENGLISH_SCALES:
        return _ENGLISH_SCALES[text]
    product = 1.0
    for character in text:
        product *= _SCALES[character]
    return product


def _unit(text: str | None) -> str:
    if not text:
        return ""
    return next(unit for pattern, unit in _UNIT_OF if pattern.fullmatch(text))
