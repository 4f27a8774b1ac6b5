"""A line as SVG: no library, and a file small enough to lie beside its table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 360, 64, 20, 36, 48
_MOST_POINTS = 200


def line_plot(points: Sequence[tuple[float, float]], *, title: str, x_label: str, y_label: str) -> str:
    """Return an SVG of a line from the origin through the points, beside the straight one to its end.

    Args:
        points: At least one, ordered by x; neither is negative.
        title: Above it.
        x_label: Below it.
        y_label: Left of it.
    """
    kept = [(0.0, 0.0), *points[:: max(1, len(points) // _MOST_POINTS)], points[-1]]
    most_x, most_y = kept[-1][0] or 1, max(y for _, y in kept) or 1

    def place(x: float, y: float) -> str:
        across = _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / most_x
        return f"{across:.1f},{_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * y / most_y:.1f}"

    def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
        return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'

    line = " ".join(place(x, y) for x, y in kept)
    straight = f"{place(0, 0)} {place(*kept[-1])}"
    bottom = _HEIGHT - _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="black"/>',
        f'<polyline points="{straight}" fill="none" stroke="#bbb" stroke-dasharray="4"/>',
        f'<polyline points="{line}" fill="none" stroke="#1f6feb" stroke-width="2"/>',
        text(_WIDTH / 2, 20, title),
        text(_WIDTH / 2, _HEIGHT - 10, x_label),
        text(_LEFT, bottom + 18, "0"),
        text(_WIDTH - _RIGHT, bottom + 18, f"{most_x:,.0f}", "end"),
        text(_LEFT - 6, _TOP + 4, f"{most_y:,.0f}", "end"),
        text(_LEFT - 6, _HEIGHT / 2, y_label, "end"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
