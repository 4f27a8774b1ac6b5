from __future__ import annotations

import json

import pytest

from api.cli.output import note, out, out_json, table

HOSTILE = "\x1b]8;;http://evil.example\x07点\x1b]8;;\x07\x1b[2J\x9b31m制度\u202etxt.exe\r\x08\x7f\u2028\U000e0041"
CONTROLS = set(HOSTILE) - set("点制度txt.exe]8;;http://evil.example[2J31m")


def test_no_control_character_reaches_the_terminal_when_text_holds_them(capsys: pytest.CaptureFixture[str]) -> None:
    out(HOSTILE, end="")
    note(table((HOSTILE,), [(HOSTILE,)]))
    shown = capsys.readouterr()
    assert not CONTROLS & set(shown.out + shown.err)
    assert "点" in shown.out and "制度�txt.exe" in shown.err


def test_json_means_the_same_when_controls_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    out_json({"title": HOSTILE, "text": "一\n二\t𠮷👨‍👩‍👧"})
    shown = capsys.readouterr().out
    assert not CONTROLS & set(shown)
    assert json.loads(shown) == {"title": HOSTILE, "text": "一\n二\t𠮷👨‍👩‍👧"}


def test_text_stays_when_it_is_ordinary(capsys: pytest.CaptureFixture[str]) -> None:
    text = "年假\t5天。\n𠮷 䶮 👨‍👩‍👧 ❤️ café\u200b"
    out(text)
    assert capsys.readouterr().out == text + "\n"
