"""The names in a question, and whether a text holds them (pure).

A question about 华堡 or 创新科技有限公司 is not answered by documents that never name it, however much else they share
with it. What looks like a name: words in quotes or title marks, organisations by how their names end, the dictionary's
places and persons, characters in a row that no dictionary knows as a word, letters in a Chinese question, years and
other long numbers. docs/answers.md has how often they are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.checking.support import has_han
from assistant.refusal.words import GAP, Word, tagged, words_of
from retrieval.keyword.folding import fold
from retrieval.keyword.tokens import is_single, without_question_words

NameKind = Literal["organisation", "quoted", "place", "person", "letters", "number", "unknown"]


@dataclass(frozen=True, slots=True)
class Name:
    """A name as the question has it, folded.

    Args:
        text: The whole of it.
        kind: How it was recognised.
        stem: Of an organisation, what stands before the words that all of its kind share; else the text.
    """

    text: str
    kind: NameKind
    stem: str


# Characters that are words of their own in everyday Chinese, by their frequency in jieba's dictionary: beside them,
# a character that no word takes in is no part of a name.
_EVERYDAY_WORDS = frozenset(
    "的了是在和有他不我人也为就这上年中你说一到都等着对来与地还要又大而之道以得她个后去将那但从月下把被于时只多过可"
    "并能好会出或日由里用所向已其给很看使前新想却它最见起小高更如再才便没走做让内及听成各事号至叫两当三本无此们家长"
    "市门正同吃天比米外即分问话打老自副跟笑则像较国死省住万因曾元呢手达头作该女开路约军称名二每属谁受带进先应吧县心"
    "占处区太点水南张今间总回山请者党段法连站第共另生全行倒快派啊相吗经按找口均种字入真拿城马干王据四子书仍难西东少"
    "次些钱北气近杀清学强写既若往台原发任美未杨兵非除边位鱼明设州直定越身重声五低坐儿极放金红朝爱知主您报类早虽面别"
    "初性型讲部送远反指乡方甚常完意队式左拉花电条剑神动湖河白官师仅教哪变图平府热制望岁转建命加管场跑穿众么黑怕风信"
    "置急石黄镇取光竟力数曰亲传深脸买接茶且办待文提系量忙尽喝郡车刚背级离故言海体座酒通满呀李令飞流德足合右罢亦改刀"
    "破龙需宽必病随须居呈汉群算战眼安靠藏落项首几何啥某六七八九十百千亿零"
)
_SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭"
    "陆汪范石廖贾韦夏付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔汤温康施文牛樊葛邢安齐易乔伍"
    "庞颜倪庄聂章鲁岳翟申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华"
    "喻祁蒲房滕屈饶解牟艾尤阳穆司卓古吉缪简连芦麦褚娄窦戚岑景党宫费卜冷晏席卫柏宗瞿桂佟臧闵苟邬边卞姬师仇栾隋商刁沙"
)
_PLACE_TAGS = frozenset({"ns", "nt", "nrt", "nrfg"})
_NO_PLACES = frozenset({"东西", "城市", "大洋", "中央政府", "地区", "公司"})
"""What the dictionary calls a place or body, and names none."""
_PERSON_TAG = "nr"
_MAX_PERSON_CHARS = 3
_COMMON_ENDS = (
    "有限责任公司|股份有限公司|有限公司|股份公司|集团公司|集团|公司|银行|人民法院|法院|检察院|人民医院|中医院|医院|保健院|卫生院|大学|学院"
    "|中学|小学|学校|幼儿园|研究院|研究所|实验室|出版社|委员会|协会|学会|联合会|基金会|俱乐部|博物馆|图书馆|大酒店|酒店"
)
_ORGANISATION = re.compile(rf"({_COMMON_ENDS})(?!生|{_COMMON_ENDS})")
# What stands between names, or before one.
_BOUNDARY = re.compile(
    r"[^\w·]+|根据|比较|结合|关于|按照|依据|对比|对于|位于|属于|毕业|就读|加入|担任|收购|[和与及或在由被向对把将从到的是为于年月日了]"
    r"|[哪这那某该此各每](?:[一两几]?[家所个座条间位])?|[一两几多\d][家个]"
)
_BARE_ENDS = frozenset({"公司", "集团", "银行", "中学", "小学", "学校", "学院", "酒店", "协会", "学会", "委员会"})
"""Ends that everyday words have too: what stands before them is a name only as far as its last verb."""
_NO_STEM_LETTERS = frozenset("vpcdrufmyz")
_MIN_STEM_CHARS = 2
_MAX_STEM_CHARS = 12
_QUOTED = re.compile(r"[《「『“\"‘〈]([^》」』”\"’〉，。；！？,;!?]{2,20})[》」』”\"’〉]")
_LETTERS = re.compile(r"[a-z][a-z0-9]*(?:[-.+][a-z0-9]+)*")
# Years and what is as telling; smaller ones are also written out, or reckoned.
_NUMBER = re.compile(r"(?<![\w.,])\d{3,}(?:\.\d+)?(?![a-z\d])")
_CAPITALISED = re.compile(r"(?<=\s)(?:[A-Z][\w-]+|[a-z]+\d[\w-]*)")


def names_in(question: str, words: Sequence[Word] | None = None) -> tuple[Name, ...]:
    """Return the names of a question, in no promised order.

    Args:
        question: As asked.
        words: Its words, where somebody has them already.
    """
    words = words_of(question) if words is None else words
    folded = fold(question)
    letters = _letters(folded) if has_han(question) else map(fold, _CAPITALISED.findall(question))
    found = (
        *(Name(fold(text).strip(), "quoted", fold(text).strip()) for text in _QUOTED.findall(question)),
        *_organisations(without_question_words(folded, GAP)),
        *(Name(text, kind, text) for text, kind in _known(words)),
        *(Name(text, "unknown", text) for text in _unknown(words)),
        *(Name(text, "letters", text) for text in letters),
        *(Name(text, "number", text) for text in _NUMBER.findall(folded)),
    )
    return tuple(dict.fromkeys(name for name in found if name.text))


def is_held(name: Name, text: str) -> bool:
    """Whether a folded text holds a name, or says it in one of the ways that names are said.

    An organisation's stem is enough, and its short form (北航 for 北京航空航天大学); a place without the two characters
    that say what it is (舟山群岛). Of characters in a row not all need be the name: half of their pairs, or the first
    of them, are enough.
    """
    if name.stem in text:
        return True
    if name.kind == "number":
        whole, point, rest = name.text.partition(".")
        return f"{int(whole):,}{point}{rest}" in text
    if name.kind == "place":
        return len(name.text) > 3 and name.text[:-2] in text
    if name.kind == "organisation":
        return _holds_organisation(name, text)
    if name.kind == "unknown":
        pairs = [name.text[i : i + 2] for i in range(len(name.text) - 1)]
        held = sum(pair in text for pair in pairs)
        return pairs[0] in text if 0 < held < len(pairs) / 2 else held > 0
    return False


def subject_of(words: Sequence[Word]) -> tuple[Word, ...]:
    """Return the first run of words that can name a thing together: what the question is about, more often than not.

    Verbs and the like may stand within (创新 in 创新科技), not at the end.
    """
    run: list[Word] = []
    for word in (*words, Word(GAP, "x")):
        if _can_name(word):
            run.append(word)
            continue
        while run and run[-1].tag in _NOT_LAST:
            run.pop()
        if run:
            break
    return tuple(run)


_NOT_LAST = frozenset({"v", "a", "vn", "t", "b"})
_NOUN_LETTERS = frozenset("njlisz")
_NOUN_TAGS = frozenset({"vn", "an", *_NOT_LAST})
_NAMING_SINGLES = frozenset({"ng", "n", "nr", "ns", "nz", "k"})
_NOT_NAMING = frozenset("人年月日时个中上下里内外前后")


def _can_name(word: Word) -> bool:
    if not has_han(word.text[0]):
        return False
    if len(word.text) == 1:
        return word.text not in _EVERYDAY_WORDS or word.tag in _NAMING_SINGLES and word.text not in _NOT_NAMING
    return word.tag[0] in _NOUN_LETTERS or word.tag in _NOUN_TAGS


def _letters(folded: str) -> Iterator[str]:
    return (text for text in _LETTERS.findall(folded) if len(text) > 1)


def _organisations(asked: str) -> Iterator[Name]:
    """Yield what ends as organisations do and has a name before that."""
    for part in _BOUNDARY.sub(GAP, asked).split(GAP):
        start = 0
        for match in _ORGANISATION.finditer(part):
            stem = part[start : match.start()][-_MAX_STEM_CHARS:]
            if match.group(1) in _BARE_ENDS:
                stem = _after_last_verb(stem)
            if len(stem) >= _MIN_STEM_CHARS:
                yield Name(stem + match.group(1), "organisation", stem)
            start = match.end()


def _after_last_verb(stem: str) -> str:
    kept: list[str] = []
    for text, tag in tagged(stem):
        kept = [] if tag[0] in _NO_STEM_LETTERS else [*kept, text]
    return "".join(kept)


def _known(words: Iterable[Word]) -> Iterator[tuple[str, NameKind]]:
    for text, tag in words:
        if len(text) == 1 or text.isascii() or text in _NO_PLACES or _ORGANISATION.search(text):
            continue
        if tag in _PLACE_TAGS:
            yield text, "place"
        elif tag == _PERSON_TAG and text[0] in _SURNAMES and len(text) <= _MAX_PERSON_CHARS:
            yield text, "person"


def _unknown(words: Iterable[Word]) -> Iterator[str]:
    """Yield two or more characters in a row that the dictionary puts into no word."""
    run = ""
    for text, _ in (*words, Word(GAP, "x")):
        if is_single(text) and text not in _EVERYDAY_WORDS:
            run += text
            continue
        if len(run) > 1:
            yield run[:_MAX_STEM_CHARS]
        run = ""


def _holds_organisation(name: Name, text: str) -> bool:
    stem = name.stem
    ending = name.text[len(stem) :]
    # More words than the name's own may stand before it.
    if any(stem[i:] + ending in text for i in range(1, len(stem) - 3)):
        return True
    return len(stem) > 3 and any(stem[0] + later in text for later in stem[2:] if stem[0] + later not in stem)
