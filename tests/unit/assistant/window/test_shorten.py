from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from assistant.sources.source import Source
from assistant.window.shorten import extend, shorten, units
from tests.unit.assistant.builders import source

SENTENCES = "甲甲甲。乙乙乙乙。丙丙。丁丁丁丁丁。戊戊。"


def cut(one: Source, room: int, *, spare: int = 0) -> Source | None:
    held = units(one.text, 60)
    found = shorten(one, held, [unit.end - unit.start for unit in held], room, mark=2, spare=spare)
    return found[0] if found else None


def shown(one: Source | None) -> str:
    assert one is not None
    text, position = "", 0
    for start, end in one.omitted:
        text, position = text + one.text[position:start] + "…", end
    return text + one.text[position:]


def test_the_middle_goes_at_sentence_ends_when_there_is_no_room() -> None:
    assert shown(cut(Source(1, (source(SENTENCES),)), 15, spare=20)) == "甲甲甲。乙乙乙乙。…戊戊。"


def test_a_part_of_a_sentence_fills_the_room_when_much_would_stay_empty() -> None:
    one = Source(1, (source("开头。" + "一二三四五六七八九，" * 20 + "结尾。"),))
    assert len(shown(cut(one, 120, spare=5))) > 100
    assert shown(cut(one, 120, spare=120)) == "开头。…"


def test_nothing_is_left_when_not_even_one_unit_fits() -> None:
    assert cut(Source(1, (source(SENTENCES),)), 3) is None
    assert shorten(Source(1, (source("甲"),)), (), (), 100, mark=2, spare=0) is None


def test_the_best_chunk_stays_when_its_neighbours_find_no_room() -> None:
    first, best, last = "前前前。" * 10, "中中中。" * 3, "后后后。" * 10
    chunks = (
        source(first, start=0),
        replace(source(best, start=len(first)), score=2.0),
        source(last, start=len(first + best)),
    )
    text = shown(cut(Source(1, chunks), 40, spare=4))
    assert text.startswith("…") and text.endswith("…") and best in text


@given(st.text(alphabet="甲乙。，；\n a", max_size=400), st.integers(0, 300), st.integers(0, 20))
def test_what_is_left_fits_when_a_text_is_shortened(text: str, room: int, spare: int) -> None:
    one = Source(1, (source(text),))
    held = units(text, 60)
    assert "".join(text[unit.start : unit.end] for unit in held) == text
    found = shorten(one, held, [unit.end - unit.start for unit in held], room, mark=2, spare=spare)
    if found is not None:
        left = len(text) - sum(end - start for start, end in found[0].omitted)
        assert left + 2 * len(found[0].omitted) == found[1] <= room
        assert all(0 <= start < end <= len(text) for start, end in found[0].omitted)


@given(st.text(alphabet="甲乙。，；\n a", max_size=400), st.integers(0, 300), st.integers(0, 60))
def test_more_is_shown_and_nothing_less_when_room_is_regained(text: str, room: int, more: int) -> None:
    one = Source(1, (source(text),))
    held = units(text, 16)
    tokens = [unit.end - unit.start for unit in held]
    found = shorten(one, held, tokens, room, mark=2, spare=5)
    if found is None:
        return
    longer, used = extend(found[0], held, tokens, more, mark=2)
    left, longer_left = (
        len(text) - sum(end - start for start, end in each.omitted) + 2 * len(each.omitted)
        for each in (found[0], longer)
    )
    assert longer_left - left == used <= more
    omitted = {at for start, end in found[0].omitted for at in range(start, end)}
    assert omitted >= {at for start, end in longer.omitted for at in range(start, end)}
    # The next unit of the first gap has no room left beside what was added.
    if longer.omitted:
        first = longer.omitted[0][0]
        (cost,) = [n for unit, n in zip(held, tokens, strict=True) if unit.start == first]
        assert used + cost > more
