"""Bytes -> text, with a confidence; refused when unsure, never guessed.

Each candidate encoding decodes a sample strictly; what it gives is scored by how much it looks like written Chinese
(Japanese, Korean): the share of the most frequent characters, which is about 0.7 in real text and below 0.2 in text
decoded wrongly. The best candidate is taken only if it is good in itself and clearly ahead of the next one that gives
another text. docs/ingestion.md has the measured figures, and those of the libraries that were compared.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.errors import BinaryFileError, EncodingError

SAMPLE_BYTES = 32_768
MIN_SCORE = 0.35  # Real text of 20 characters scores 0.5 and more, wrongly decoded text rarely over 0.2.
MIN_LEAD = 0.2
MIN_EVIDENCE = 4.0  # In frequent characters: fewer than this many cannot tell encodings apart.
DISGUISED_SCORE = 0.8
"""UTF-16 whose bytes could be printable ASCII (是有 is `/f\\tg`) must score this much: random ASCII is below 0."""
DISGUISED_CHARS = 4
"""And have as many different frequent characters: `N\\n` in every line of a file is no 上."""

# The most frequent characters of modern Chinese, about three quarters of running text.
_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所"
    "然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与"
    "长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己"
    "制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系"
    "气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社"
    "便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉"
    "格望觉术领共确传师观清今切院让识候带导争运站约号组单级元备局京华城州县市村楼层店班课号码网页版本章节条款项按"
    "照根须依六七八九百千收入支付款费用价额银投融股票营售客户商品供购采订签合同员假薪岗位职勤考核批准申请审办规则"
    "程标准技术研究系统数据服务器软件硬设备安装维护测试操作说明参考文献历史电影音乐作家出版大学教授医院病人检查治疗"
)
_TRADITIONAL = (
    "這個們來為國說時會對於著過發後裡種經學現當沒動還進樣開從實軍無與長機關點業將兩間問並應戰向頭體見產與話給門兒"
    "東聲員解論處義條係氣題爾別變總電數報結務場計資許統區隊決馬書則聽達強難權設記類據邊張該規萬覺術領確傳師觀識"
    "帶導爭運號組單級備華縣樓層課碼網頁節項須費價額銀訂簽職準請審辦標軟硬測試說參獻歷樂醫檢療億灣臺廣鐵線站轉"
    "圖書館視頻環境議選舉黨戶飛紅藝術語園車歲師團親歐羅興戲劇遺產營離讓戰鬥擊敗獲"
)
_FREQUENT = frozenset(_SIMPLIFIED + _TRADITIONAL)
_PUNCTUATION = frozenset("，。、；：？！（）《》〈〉“”‘’…—·「」『』【】〔〕\u3000％￥～")
_FREQUENT_HANGUL = frozenset(
    "이다는을가의에하고로지도기한사은인어나자아해그들서리있시일정수대를과으니라만보구전부제주여스습합게면성상것생회원신오된국장조등안연며"
    "모동공소위년화개중비내경적관계문민학말되무미와용때할선세우방명간입더유거없같강교남러너데려르식업영월재진행현후번법분산석실심약양음"
    "발달마바저트프터타체출치통특평표품향형호황세열림새운침확백필요검토사항별종또는받차권리책임"
)
_KANA = re.compile(r"[\u3041-\u30ff]")
_BAD = re.compile(
    r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff]"
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # Before UTF-16: its mark starts with the same two bytes.
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ONE_SCRIPT = re.compile(r"[\u00a0-\u017f]+|[\u0370-\u03ff]+|[\u0400-\u04ff]+|[\u0590-\u05ff]+|[\u0600-\u06ff]+")
_PRINTABLE = re.compile(rb"[ -~]")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_ESCAPED = re.compile(rb"\x1b\$[@B]")
_WIDE = ("utf-16-le", "utf-16-be")
_NARROW = ("utf-8", "gb18030", "cp950", "big5hkscs", "cp932", "euc_jp", "cp949")
_PUBLIC_NAMES = {
    "gb18030": "GB18030", "cp950": "Big5", "big5hkscs": "Big5", "cp932": "Shift_JIS",
    "euc_jp": "EUC-JP", "cp949": "EUC-KR", "utf-8": "UTF-8", "utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE",
    "utf-32-le": "UTF-32LE", "utf-32-be": "UTF-32BE",
}  # fmt: skip
_SUPERSETS = {
    "gb2312": "gb18030", "gbk": "gb18030", "cp936": "gb18030", "gb_2312-80": "gb18030", "x-gbk": "gb18030",
    "gb18030": "gb18030", "big5": "cp950", "big5-hkscs": "big5hkscs", "shift_jis": "cp932", "shift-jis": "cp932",
    "x-sjis": "cp932", "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "euc-jp": "euc_jp",
    "utf8": "utf-8", "utf-8": "utf-8", "utf-16": "utf-16-le", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DecodedText:
    """What bytes say.

    Args:
        text: Without byte order mark; line ends as they were.
        encoding: Its public name, e.g. `GB18030`.
        confidence: In (0, 1]; 1 where a mark or plain ASCII leaves no doubt.
    """

    text: str
    encoding: str
    confidence: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    codec: str
    sample: str
    score: float
    evidence: float


def decode(data: bytes, *, source: str, declared: str | None = None) -> DecodedText:
    """Decode text of unknown encoding.

    Args:
        data: The whole file.
        source: For messages.
        declared: What the file says of itself (HTML's charset); believed only if the bytes agree.

    Raises:
        BinaryFileError: If no encoding gives text.
        EncodingError: If no candidate is convincing, or two are.
    """
    marked = _decode_marked(data, source)
    if marked is not None:
        return marked
    if data.isascii() and not (_has_many_controls(data) if len(data) > 64 else _CONTROL.search(data)):
        return _decode_disguised(data, source) or _decode_ascii(data)
    if declared is not None:
        believed = _decode_declared(data, declared)
        if believed is not None:
            return believed
    return _detect(data, source)


def likeliest(data: bytes, candidates: Sequence[str]) -> str | None:
    """Return the codec among the candidates that gives the likeliest text, the first of equals; None if none decodes.

    For a few words that must be shown somehow (names in archives), where `decode` would refuse.
    """
    judged = [(_judge(_sample(data, wide=codec in _WIDE), codec), codec) for codec in candidates]
    scores = {codec: candidate.score for candidate, codec in judged if candidate is not None}
    return max(scores, key=lambda codec: scores[codec], default=None)


def _decode_marked(data: bytes, source: str) -> DecodedText | None:
    for mark, codec in _MARKS:
        if data.startswith(mark):
            try:
                return DecodedText(data[len(mark) :].decode(codec), _PUBLIC_NAMES[codec], 1.0)
            except UnicodeDecodeError as exc:
                raise EncodingError(source, [_PUBLIC_NAMES[codec]]) from exc
    return None


def _decode_ascii(data: bytes) -> DecodedText:
    if _ESCAPED.search(data):
        try:
            return DecodedText(data.decode("iso2022_jp_2"), "ISO-2022-JP", 0.99)
        except UnicodeDecodeError:
            pass  # Terminal colours look alike.
    return DecodedText(data.decode("ascii"), "UTF-8", 1.0)


def _decode_disguised(data: bytes, source: str) -> DecodedText | None:
    """Return the text of UTF-16 all of whose bytes happen to be ASCII, as in a few short Chinese texts; else None."""
    if len(data) % 2:
        return None
    for codec in _WIDE:
        head = data[:64].decode(codec)
        if 2 * sum(char in _FREQUENT for char in head) > len(head):  # Most ASCII ends here, at the cost of its head.
            candidate = _judge(_sample(data, wide=True), codec)
            if candidate is not None and _is_written(candidate.sample, candidate.score):
                return _finish(data, source, candidate, round(candidate.score / 2, 2), [])
    return None


def _has_many_controls(data: bytes) -> bool:
    """Tell binary data from text with a stray control character."""
    sample = data[:SAMPLE_BYTES]
    return len(_CONTROL.findall(sample)) > max(1, len(sample) // 200)


def _decode_declared(data: bytes, declared: str) -> DecodedText | None:
    """Return the text if the declared encoding decodes all of it and the result is plausible."""
    codec = _SUPERSETS.get(declared.strip().lower())
    if codec is None:  # A single-byte encoding decodes anything, so its declaration proves nothing.
        return None
    candidate = _judge(_sample(data, wide=codec in _WIDE), codec)
    if candidate is None or candidate.score < MIN_SCORE / 2:
        return None
    try:
        return DecodedText(data.decode(codec), _PUBLIC_NAMES[codec], 0.99)
    except UnicodeDecodeError:
        return None


def _detect(data: bytes, source: str) -> DecodedText:
    is_wide = b"\0" in data[:SAMPLE_BYTES] and _has_many_controls(data)
    codecs_to_try = _WIDE if is_wide else _NARROW + _WIDE
    judged = [_judge(_sample(data, wide=codec in _WIDE), codec) for codec in codecs_to_try]
    candidates = sorted((c for c in judged if c is not None), key=lambda c: -c.score)
    if not candidates:
        if _has_many_controls(data):
            raise BinaryFileError(source)
        raise EncodingError(source, [])
    best = candidates[0]
    utf8 = next((c for c in candidates if c.codec == "utf-8"), None)
    if utf8 is not None and (best.score < MIN_SCORE or _is_surely_utf8(utf8.sample, best)):
        return _finish(data, source, utf8, 0.99, candidates)
    name = _PUBLIC_NAMES[best.codec]
    rival = next((c for c in candidates[1:] if _PUBLIC_NAMES[c.codec] != name and c.sample != best.sample), None)
    lead = best.score - (max(rival.score, 0.0) if rival is not None else 0.0)
    if best.score < MIN_SCORE and _has_many_controls(data):
        raise BinaryFileError(source)
    if best.score < MIN_SCORE or lead < MIN_LEAD or best.evidence < MIN_EVIDENCE:
        raise EncodingError(source, list(dict.fromkeys(_PUBLIC_NAMES[c.codec] for c in candidates[:3])))
    return _finish(data, source, best, round(min(0.99, 0.5 + lead / 2), 2), candidates)


def _is_surely_utf8(sample: str, best: _Candidate) -> bool:
    """Tell UTF-8 from short GBK text that happens to be valid UTF-8: of two-byte sequences alone, in mixed scripts."""
    if best.codec in _WIDE:
        return not _is_written(best.sample, best.score)
    if re.search(r"[\u0800-\U0010ffff]", sample):
        return True
    letters = "".join(char for char in sample if char > "\x7f")
    is_enough = len(letters) >= 8 or re.search("[A-Za-z]{2}", sample) is not None
    return is_enough and best.evidence < MIN_EVIDENCE and _ONE_SCRIPT.fullmatch(letters) is not None


def _finish(
    data: bytes, source: str, chosen: _Candidate, confidence: float, candidates: list[_Candidate]
) -> DecodedText:
    """Decode the whole file with what the sample chose."""
    alternatives = {"cp950": ("cp950", "big5hkscs")}.get(chosen.codec, (chosen.codec,))
    for codec in alternatives:
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        return DecodedText(text, _PUBLIC_NAMES[codec], confidence)
    raise EncodingError(source, list(dict.fromkeys(_PUBLIC_NAMES[c.codec] for c in [chosen, *candidates][:3])))


def _sample(data: bytes, *, wide: bool) -> bytes:
    """Return the part that tells encodings apart: from the first byte outside ASCII."""
    if wide:
        return data[: SAMPLE_BYTES & ~1] if len(data) % 2 == 0 else b""
    match = re.search(rb"[\x80-\xff]", data)
    start = match.start() if match else 0
    return data[start : start + SAMPLE_BYTES]


def _looks_narrow(sample: bytes) -> bool:
    """Half of the bytes of wide Chinese text lie in printable ASCII, nearly all of narrow Latin text."""
    return len(_PRINTABLE.findall(sample)) > 0.75 * len(sample)


def _judge(sample: bytes, codec: str) -> _Candidate | None:
    """Decode a sample strictly and score it; None if it is not text in this encoding."""
    if not sample:
        return None
    try:
        text = codecs.getincrementaldecoder(codec)("strict").decode(sample, final=len(sample) < SAMPLE_BYTES & ~1)
    except UnicodeDecodeError:
        return None
    if not text or len(_BAD.findall(text)) > max(1, len(text) // 200):
        return None
    counts = {char: count for char, count in Counter(text).items() if char > "\x7f"}
    n_chars = sum(counts.values())
    if codec in _WIDE and n_chars < len(text) / 20:  # Nearly all ASCII, in two bytes each.
        return _Candidate(codec, text, 1.0, float(len(text)))
    if not n_chars:
        return None
    weights = [_weight(char, codec) * count for char, count in counts.items()]  # Each once: ten times as fast.
    score = sum(weights) / n_chars
    if codec in _WIDE and _looks_narrow(sample) and not _is_written(text, score):
        return None
    if codec in ("cp932", "euc_jp") and not _KANA.search(text):
        score /= 2  # Japanese without kana is as rare as Chinese misread as Japanese is common.
    return _Candidate(codec, text, score, sum(weight for weight in weights if weight > 0))


def _is_written(text: str, score: float) -> bool:
    """Whether nothing but Chinese could be behind UTF-16 without a mark, although its bytes say something else too."""
    return score >= DISGUISED_SCORE and len(_FREQUENT.intersection(text)) >= DISGUISED_CHARS


def _weight(char: str, codec: str) -> float:
    """How much one character says that the text was decoded rightly: 1 very much, -1 not at all."""
    if codec == "cp949" and "\u4e00" <= char <= "\u9fff":
        return 0.1  # Modern Korean has few of them, Chinese misread as Korean has many.
    if char in _FREQUENT or char in _PUNCTUATION:
        return 1.0
    if "\u4e00" <= char <= "\u9fff":
        return 0.25 if _is_common(char) else -0.5
    if "\u3041" <= char <= "\u30ff":
        return 1.0 if codec in ("cp932", "euc_jp", "utf-8", *_WIDE) else -0.5
    if "\uac00" <= char <= "\ud7a3":
        return (1.0 if char in _FREQUENT_HANGUL else 0.0) if codec in ("cp949", "utf-8", *_WIDE) else -0.5
    if "\uff01" <= char <= "\uff5e" or "\u2010" <= char <= "\u2027" or "\u2460" <= char <= "\u2473":
        return 0.5
    if char >= "\U00020000":
        return 0.0
    return -0.5


def _is_common(char: str) -> bool:
    """Whether a character is in the first level of GB 2312 or of Big5."""
    try:
        lead = char.encode("gb2312")[0]
    except UnicodeEncodeError:
        lead = 0
    if 0xB0 <= lead <= 0xD7:
        return True
    try:
        return 0xA4 <= char.encode("big5")[0] <= 0xC6
    except UnicodeEncodeError:
        return False
