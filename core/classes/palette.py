"""Colours of classes that have none of their own: the same for the same class on every run.

The colours are those of Okabe and Ito (2008), and more that people with each of the common kinds of colour blindness can
tell from these and from each other: seen as by any of them (Machado et al., 2009), all pairs differ by 13 or more in
CIE Lab.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import zlib
from collections.abc import Iterator, Sequence

from .classfield import class_number
from .modelclasses import Classes

PALETTE = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
    *("#000055", "#5b3a1a", "#cceeff", "#882255", "#ccddaa", "#ffaabb", "#332288", "#8c564b", "#a0522d"),
)

_CONVENTIONS = {
    "#0072b2": "water river lake sea ocean pond reservoir",
    "#009e73": "forest wood woodland tree",
    "#e69f00": "crop cropland farm farmland field agriculture agricultural arable",
    "#d55e00": "urban built building city town settlement artificial",
    "#ccddaa": "grass grassland meadow pasture",
    "#56b4e9": "wetland marsh swamp bog",
    "#a0522d": "bare barren soil sand rock",
    "#cceeff": "snow ice glacier cloud",
    "#5b3a1a": "burnt burned",
    "#000055": "shadow",
    "#882255": "vineyard orchard",
    "#8c564b": "shrub shrubland scrub heath",
}
_BY_WORD = {word: color for color, words in _CONVENTIONS.items() for word in words.split()}
_DENIALS = {"no", "non", "not", "other", "without"}
_SHADES = ((255, 0.45), (0, 0.4), (255, 0.7), (0, 0.65))  # blended with: white or black, and how much of it
_TOO_NEAR = 48.0  # between colours, as red, green and blue from 0 to 255


def coloured(classes: Classes) -> Classes:
    """Return classes of a model with a colour each, their own where they have one."""
    colors = colors_of([item.name or str(item.value) for item in classes], [item.color for item in classes])
    return tuple(dataclasses.replace(item, color=color) for item, color in zip(classes, colors))


def colors_of(names: Sequence[str], own: Sequence[str]) -> list[str]:
    """Return the colour of each class, as `#rrggbb`.

    What a class is called says which colour it prefers: that of water, forest and the like by convention, that of others
    by their number, or drawn by their name. Where two prefer the same, the first one gets it, and the other the next
    that is free.

    Args:
        names: of the classes; where one has no name, its number.
        own: the colours that the classes have already; empty where one has none.
    """
    found = [color.lower() for color in own]
    free = [color for color in PALETTE if not any(color and _distance(color, taken) < _TOO_NEAR for taken in found)]
    for conventional in (True, False):
        for place, name in enumerate(names):
            wished = _conventional(name) if conventional else PALETTE[_place(name)]
            if not found[place] and wished in free:
                found[place] = wished
                free.remove(wished)
    left = (color for color in itertools.chain(free, _shades()) if color not in found)
    return [color or next(left) for color in found]


def _conventional(name: str) -> str:
    words = re.findall(r"[^\W\d_]+", name.casefold())
    known = [_BY_WORD.get(word) or _BY_WORD.get(word.rstrip("s")) for word in words]
    return "" if _DENIALS & set(words) else next((color for color in known if color), "")


def _place(name: str) -> int:
    number = class_number(name)
    return (zlib.crc32(name.strip().casefold().encode()) if number is None else number) % len(PALETTE)


def _shades() -> Iterator[str]:
    """Yield lighter and darker colours than those of the palette, then any others."""
    for (target, share), color in itertools.product(_SHADES, PALETTE):
        yield _hex(*(round(part + (target - part) * share) for part in _rgb(color)))
    for number in itertools.count(1):
        code = number * 0x9E3779 % 0x1000000  # an odd factor: each colour comes once
        yield _hex(code >> 16, code >> 8 & 255, code & 255)


def _distance(one: str, other: str) -> float:
    if not other:
        return 256.0
    return float(sum((a - b) ** 2 for a, b in zip(_rgb(one), _rgb(other))) ** 0.5)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _hex(red: int, green: int, blue: int) -> str:
    return f"#{red:02x}{green:02x}{blue:02x}"
