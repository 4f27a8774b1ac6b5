"""What sources are worth, and which of them go into the room there is (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.sources.source import Source


def choose(sources: Sequence[Source], costs: Sequence[int], budget: int) -> tuple[int, ...]:
    """Return which sources fit: those worth most for their tokens.

    What is worth least a token goes until the rest fits; what went and still finds room comes back, the most
    valuable first. The most valuable source goes last, whatever it costs.

    Args:
        sources: In any order.
        costs: Tokens of each, above 0.
        budget: Tokens for all of them.

    Returns:
        Indexes into sources, ascending; their costs together are at most budget.
    """
    first = max(range(len(sources)), key=lambda at: (sources[at].value, -at), default=None)
    kept = sorted(
        range(len(sources)),
        key=lambda at: (at == first, sources[at].value / max(1, costs[at]), -at),
        reverse=True,
    )
    spent = sum(costs)
    gone: list[int] = []
    while kept and spent > budget:
        gone.append(kept.pop())
        spent -= costs[gone[-1]]
    for at in sorted(gone, key=lambda at: (-sources[at].value, at)):
        if spent + costs[at] <= budget:
            kept.append(at)
            spent += costs[at]
    return tuple(sorted(kept))
