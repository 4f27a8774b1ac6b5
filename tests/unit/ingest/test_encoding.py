import pytest

from ingest.encoding import decode
from ingest.errors import BinaryFileError, EncodingError

SIMPLIFIED = "员工每年可以休五天年假，须提前一个工作日在系统中提交申请，由部门经理审批。"
TRADITIONAL = "員工每年可以休五天年假，須提前一個工作日在系統中提交申請，由部門經理審批。"
JAPANESE = "情報処理推進機構は、本日より新しいセキュリティ対策の手引きを公開しました。"
KOREAN = "회의는 오후 세 시에 제이 회의실에서 열립니다. 시스템 관리자는 비밀번호를 변경하여 주시기 바랍니다."


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (SIMPLIFIED, "utf-8", "UTF-8"),
        (SIMPLIFIED, "utf-8-sig", "UTF-8"),
        (SIMPLIFIED, "gb2312", "GB18030"),
        (SIMPLIFIED, "gbk", "GB18030"),
        (TRADITIONAL, "gbk", "GB18030"),
        (TRADITIONAL, "big5", "Big5"),
        (TRADITIONAL, "utf-16-be", "UTF-16BE"),
        (SIMPLIFIED, "utf-16-le", "UTF-16LE"),
        (SIMPLIFIED, "utf-16", "UTF-16LE"),
        (SIMPLIFIED, "utf-32", "UTF-32LE"),
        ("主持人：龚䶮，参会人员：𠮷田浩、李喆。" + SIMPLIFIED, "gb18030", "GB18030"),
        ("２０２４年春节放假时间为２月９日至２月１７日，共９天。", "gbk", "GB18030"),
        ("plain English, nothing else", "ascii", "UTF-8"),
        ("Plain English in two bytes each.", "utf-16-le", "UTF-16LE"),
        ("Où sont les élèves ? À côté.", "utf-8", "UTF-8"),
        ("会议 🎉 很成功 👩‍👩‍👧", "utf-8", "UTF-8"),
        ("𠮷䶮", "utf-8", "UTF-8"),
        (JAPANESE, "shift_jis", "Shift_JIS"),
        (JAPANESE, "euc_jp", "EUC-JP"),
        (JAPANESE, "iso2022_jp", "ISO-2022-JP"),
        (KOREAN, "euc_kr", "EUC-KR"),
    ],
)
def test_text_is_decoded_when_the_encoding_is_plain_from_the_bytes(text, codec, name):
    decoded = decode(text.encode(codec), source="a.txt")

    assert (decoded.text, decoded.encoding) == (text, name)
    assert 0.5 < decoded.confidence <= 1


@pytest.mark.parametrize("codec", ["gbk", "big5", "utf-16-le"])
def test_long_text_is_decoded_wholly_when_the_sample_ends_inside_a_character(codec):
    text = "a" + TRADITIONAL * 3000

    assert decode(text.encode(codec), source="a.txt").text == text


def test_encoding_is_found_when_chinese_starts_far_from_the_beginning():
    text = "plain English line\n" * 5000 + SIMPLIFIED

    assert decode(text.encode("gbk"), source="a.log").text == text


@pytest.mark.parametrize(
    ("data", "candidates"),
    [
        ("学校".encode("gbk"), "GB18030, EUC-JP, EUC-KR"),
        ("Élèves à côté".encode("latin-1"), None),
        ("Все люди рождаются свободными".encode("cp1251"), None),
        (SIMPLIFIED.encode() + b"\xff", None),
        (SIMPLIFIED.encode() + SIMPLIFIED.encode("gbk"), None),
        (b"\xef\xbb\xbf" + SIMPLIFIED.encode("gbk"), "UTF-8"),
        (b"\xff\xfe" + b"a", "UTF-16LE"),
    ],
)
def test_text_is_refused_when_no_encoding_is_convincing(data, candidates):
    with pytest.raises(EncodingError) as caught:
        decode(data, source="a.txt")

    assert caught.value.code == "unknown_encoding"
    if candidates is not None:
        assert f"(candidates: {candidates})" in str(caught.value)


@pytest.mark.parametrize("data", [bytes(range(256)) * 8, b"ab\0cd\0\0\0ef" * 9, b"\x01\x02\x03 text"])
def test_bytes_are_refused_as_binary_when_they_are_no_text(data):
    with pytest.raises(BinaryFileError) as caught:
        decode(data, source="a.txt")

    assert caught.value.code == "binary_file"


def test_declared_encoding_is_believed_when_the_text_is_too_short_to_tell():
    assert decode("学校".encode("gbk"), source="a.html", declared="GB2312").text == "学校"


@pytest.mark.parametrize("declared", ["utf-8", "big5", "iso-8859-1", "no-such-charset"])
def test_declared_encoding_is_not_believed_when_the_bytes_disagree(declared):
    assert decode(SIMPLIFIED.encode("gbk"), source="a.html", declared=declared).text == SIMPLIFIED


def test_gb2312_is_read_as_gb18030_when_declared():
    text = "主持人：龚䶮"

    assert decode(text.encode("gb18030"), source="a.html", declared="gb2312").text == text
