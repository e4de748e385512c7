"""The rings of a polygon from the arcs around it."""

from __future__ import annotations

from collections.abc import Sequence

from .arcs import Arc, Curve

Side = tuple[Arc, bool]
"""An arc, and whether the polygon is on its left; otherwise it is on its right, and the arc is followed backwards."""

Ring = Sequence[tuple[Curve, bool]]
"""Lines that follow each other around an area, and whether it is on their left."""


def rings_of(sides: Sequence[Side]) -> list[list[Side]]:
    """Return the rings of a polygon, the outer one first.

    Where the polygon touches itself in a point, the rings go there around what is outside: so each is simple.
    """
    leaving: dict[tuple[int, ...], list[Side]] = {}
    for arc, forward in sides:
        leaving.setdefault(arc.start if forward else arc.end, []).append((arc, forward))
    found = []
    while leaving:
        ring = [_take(leaving, next(iter(leaving)), None)]
        begin = ring[0]
        while True:
            arc, forward = ring[-1]
            place = arc.end if forward else arc.start
            right = ((arc.arrives if forward else arc.leaves ^ 2) + 1) & 3
            back = place == (begin[0].start if begin[1] else begin[0].end)
            if back and (_leaves(begin) == right or place not in leaving):
                break
            ring.append(_take(leaving, place, right))
        found.append(ring)
    return sorted(found, key=lambda ring: sum(arc.twice_area if forward else -arc.twice_area for arc, forward in ring))


def _take(leaving: dict[tuple[int, ...], list[Side]], place: tuple[int, ...], right: int | None) -> Side:
    """Take away one of the sides that leave a node: of two, that to the right."""
    choices = leaving[place]
    number = next((number for number, side in enumerate(choices) if _leaves(side) == right), 0)
    side = choices.pop(number)
    if not choices:
        del leaving[place]
    return side


def _leaves(side: Side) -> int:
    arc, forward = side
    return arc.leaves if forward else arc.arrives ^ 2
