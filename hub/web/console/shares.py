"""A whole and its parts, as one bar with its legend."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from hub.web.console.rendering import number

WIDTH = 1000  # of the drawing, in units of its own; it is stretched to the width there is


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `tone`: good, bad, warn, info or plain."""

    name: str
    count: int
    tone: str


def bar(parts: Sequence[Part], title: str) -> Markup:
    """The parts side by side, as wide as they are many. The words are in the legend, so none is in the drawing."""
    shown = [part for part in parts if part.count]
    total = sum(part.count for part in shown)
    if not total:
        return Markup("")
    label = f"{title}: " + ", ".join(f"{number(part.count)} {part.name}" for part in shown)
    drawn, at = [], 0.0
    for part in shown:
        width = WIDTH * part.count / total
        drawn.append(
            Markup('<rect class="{}" x="{}" width="{}" height="10"/>').format(
                part.tone, round(at, 1), round(width, 1)
            )
        )
        at += width
    head = Markup(
        '<svg class="share" viewBox="0 0 {} 10" preserveAspectRatio="none" role="img" aria-label="{}">'
    )
    return head.format(WIDTH, escape(label)) + Markup("").join(drawn) + Markup("</svg>")
