import pytest

from ingest.clean import clean_line, clean_text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("甲\r\n乙\r丙\u2028丁", "甲\n乙\n丙\n丁"),
        ("甲\x00乙\x07丙\u200b丁\ufeff", "甲乙丙丁"),
        ("甲\xa0乙\t丙  \n丁", "甲 乙 丙\n丁"),
        ("甲\n\n\n\n乙\n", "甲\n\n乙"),
        ("\u3000\u3000首行缩进", "\u3000\u3000首行缩进"),
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
    ],
)
def test_text_is_plain_when_cleaned(raw, clean):
    assert clean_text(raw) == clean


def test_line_has_single_spaces_when_cleaned():
    assert clean_line("  第一章\u3000\n总  则 ") == "第一章 总 则"
