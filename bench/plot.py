"""Bars in an SVG: as little as it takes, so that GitHub and any browser draw it, light or dark."""

from html import escape
from typing import NamedTuple


class Bar(NamedTuple):
    label: str
    value: float
    spread: tuple[float, float]  # lowest and highest run
    ours: bool


LABELS, WIDTH, ROW, TOP = 250, 760, 22, 40
OURS, THEIRS, INK = "#c2410c", "#94a3b8", "#64748b"


def bars(title: str, rows: list[Bar]) -> str:
    """The longest bar fills the width. Values stand beside the bars; a thin line from the lowest run to the highest."""
    longest = max((row.spread[1] for row in rows), default=0) or 1
    scale = (WIDTH - LABELS - 70) / longest
    height = TOP + ROW * len(rows) + 10
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
        f' font-size="12" fill="{INK}">',
        f'<text x="0" y="18" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for index, row in enumerate(rows):
        y = TOP + ROW * index
        width = max(1.0, row.value * scale)
        low, high = (LABELS + edge * scale for edge in row.spread)
        weight = ' font-weight="bold"' if row.ours else ""
        out += [
            f'<text x="{LABELS - 8}" y="{y + 12}" text-anchor="end"{weight}>{escape(row.label)}</text>',
            f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="15" fill="{OURS if row.ours else THEIRS}"/>',
            f'<path d="M{low:.1f} {y + 7.5}H{high:.1f}" stroke="{INK}"/>',
            f'<text x="{max(LABELS + width, high) + 6:.1f}" y="{y + 12}">{row.value:.1f}</text>',
        ]
    return "\n".join([*out, "</svg>", ""])
