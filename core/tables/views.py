"""How assets of STAC items are to be read: as they are stored, as physical values, or without what a mask leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..base.addresses import masked
from ..base.progress import Progress
from ..errors import ParameterError, field
from ..operations.runtable import PIXEL_VALUES
from ..phrases import Phrase
from ..tablefiles.table import Row, Scaling, Table

AUTO, SCALED, STORED = PIXEL_VALUES

_MASK = re.compile(r"\s*(?P<asset>[^=]+?)\s*=\s*(?P<values>[\d\s,-]+)\s*")
_VALUES = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
LARGEST = 255
"""The largest value of a mask."""


@dataclass(frozen=True)
class Mask:
    """Pixels that are left out.

    Attributes:
        asset: key of the asset that marks them.
        values: that it has there.
    """

    asset: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """How a raster is read.

    Attributes:
        scalings: of its bands, or one for all; empty for the values as they are stored.
        nodata: its no-data value as it is stored, which counts where its file tells none; None where nothing is told.
        mask: what marks the pixels that are left out; empty for none.
        without: the mask's values there.
    """

    scalings: tuple[Scaling, ...] = ()
    nodata: float | None = None
    mask: str = ""
    without: tuple[int, ...] = ()


@dataclass(frozen=True)
class Views:
    """How the assets of all items are read.

    Attributes:
        values: AUTO, SCALED or STORED.
        mask: which pixels are left out; None for none.
    """

    values: str
    mask: Mask | None

    def of(self, row: Row, name: str) -> View | None:
        """Return how one asset of an item is read; None where it is taken as it is.

        Raises:
            ParameterError: its values may be meant in two ways, or the item has no such mask.
        """
        asset = row.assets[name]
        scalings = asset.scalings if any(scaling.changes for scaling in asset.scalings) else ()
        if any(scaling.scale == 0 for scaling in scalings):
            raise ParameterError(
                "the asset {name} has the scale 0, which makes all values equal: correct the item.", name=name
            )
        if scalings and self.values == AUTO:
            raise ParameterError(
                "the asset {name} has the scale {scale:g} and the offset {offset:g}: set {pixelvalues} to scaled, for a model "
                "that has learnt from such physical values, or to stored, for one that has learnt from the numbers in the files.",
                name=name,
                scale=scalings[0].numbers[0],
                offset=scalings[0].numbers[1],
                pixelvalues=field("pixelvalues"),
            )
        scalings = scalings if self.values == SCALED else ()
        _check_offset(row, name, scalings)
        if self.mask is None or name == self.mask.asset:
            return View(scalings, asset.nodata) if scalings or asset.nodata is not None else None
        if self.mask.asset not in row.assets:
            raise ParameterError(
                "{mask} names the asset {name}, which the item does not have: it has {names}.",
                mask=field("mask"),
                name=self.mask.asset,
                names=", ".join(row.assets),
            )
        return View(scalings, asset.nodata, row.assets[self.mask.asset].href, self.mask.values)

    def check_table(self, table: Table) -> None:
        """Raise ParameterError where a table has no items, whose assets could be scaled or masked."""
        if table.of_items:
            return
        for name, asked in (("pixelvalues", self.values == SCALED), ("mask", self.mask is not None)):
            if asked:
                raise ParameterError(
                    "{name} is for STAC items, but {table} is {path}, which has none: leave it out.",
                    name=field(name),
                    table=field("table"),
                    path=table.path,
                )

    def check_used(self, views: Iterable[Mapping[str, View]]) -> None:
        """Raise ParameterError where there is a mask, but no row that it applies to; `views` are those of all rows."""
        if self.mask is not None and not any(view.mask for each in views for view in each.values()):
            raise ParameterError(
                "{mask} is given, but no image is an asset that it applies to, such as {example}: name one, or leave {mask} out.",
                mask=field("mask"),
                example="{B04}",
            )


def warn_of_offsets(views: Iterable[tuple[Phrase, Mapping[str, View]]], progress: Progress) -> None:
    """Warn of items that give an offset, but no scale, for values that are scaled: one may have been forgotten.

    Args:
        views: of each row, with its name.
        progress: told of the first.
    """
    found = [
        (name, path, scaling)
        for name, each in views
        for path, view in each.items()
        for scaling in view.scalings
        if scaling.scale is None and scaling.offset
    ]
    if found:
        name, path, scaling = found[0]
        progress.warning(
            Phrase(
                "{name}: the item gives the offset {offset:g} of {path}, but no scale, which counts as 1: check that physical "
                "values are the stored ones {offset:+g}. Assets with such an offset: {count}.",
                name=name,
                offset=scaling.offset,
                path=masked(path),
                count=len(found),
            )
        )


def _check_offset(row: Row, name: str, scalings: tuple[Scaling, ...]) -> None:
    """Raise ParameterError where an item has an offset, and says that its files have it applied already."""
    properties: Mapping[str, Any] = (row.item or {}).get("properties") or {}
    applied = [key for key, value in properties.items() if key.endswith(":boa_offset_applied") and value is True]
    if applied and any(scaling.offset for scaling in scalings):
        raise ParameterError(
            "the asset {name} has the offset {offset:g}, but {applied} of its item says that the values include it already. "
            "Correct the items, or set {pixelvalues} to stored.",
            name=name,
            offset=next(scaling.offset for scaling in scalings if scaling.offset),
            applied=applied[0],
            pixelvalues=field("pixelvalues"),
        )


def mask_of(text: str) -> Mask | None:
    """Return the mask that a text such as `SCL=0,1,3,8-10` names; None for an empty one.

    Raises:
        ParameterError: it is of another form.
    """
    if not text.strip():
        return None
    match = _MASK.fullmatch(text)
    values: set[int] = set()
    for part in match["values"].split(",") if match else ():
        ends = _VALUES.fullmatch(part.strip())
        if ends is None:
            match = None
            break
        values.update(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    if match is None or not values or max(values) > LARGEST:
        raise ParameterError(
            "{mask} is {text!r}, but must be an asset and its values to leave out, from 0 to 255, such as SCL=0,1,3,8-10.",
            mask=field("mask"),
            text=text,
        )
    return Mask(match["asset"], tuple(sorted(values)))
