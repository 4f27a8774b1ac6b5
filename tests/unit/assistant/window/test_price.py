from __future__ import annotations

import asyncio
from collections.abc import Sequence

from assistant.sources.source import Source
from assistant.window.draft import draft
from assistant.window.meter import BoundMeter
from assistant.window.price import Priced, price
from tests.unit.assistant.builders import source


class Merging(BoundMeter):
    """Counts a token a character and one more for each text, as if pieces lost a merge where they were cut."""

    async def count(self, texts: Sequence[str]) -> tuple[list[int], int]:
        return [len(text) + 1 for text in texts], 1


def priced(budget: int) -> Priced:
    long = [Source(number, (source(f"第{number}条规定如此。" * 400, name=f"{number}.txt"),)) for number in range(4)]
    return asyncio.run(price(Merging(8), draft("年假几天？", (), long, None), budget))


def test_a_source_in_pieces_costs_what_it_takes_whole_when_the_window_is_small() -> None:
    shown = priced(3_000).costs.sources
    assert all(cost.units and len(cost.units) == len(cost.unit_tokens) for cost in shown)
    assert all(cost.text == 3_201 for cost in shown)
    assert all(sum(cost.unit_tokens) == 3_200 + len(cost.units) for cost in shown)


def test_its_pieces_are_all_that_is_counted_when_the_window_is_large() -> None:
    shown = [cost for cost in priced(12_000).costs.sources if cost.units]
    assert shown and all(cost.text == sum(cost.unit_tokens) for cost in shown)
