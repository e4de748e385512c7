"""A table as it was read, whatever it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..phrases import Phrase


@dataclass(frozen=True)
class Scaling:
    """The physical value of a band's stored value: value x scale + offset.

    Attributes:
        scale: None where it is not told, which is as 1.
        offset: None where it is not told, which is as 0.
    """

    scale: float | None = None
    offset: float | None = None

    @property
    def numbers(self) -> tuple[float, float]:
        """Scale and offset."""
        return 1.0 if self.scale is None else self.scale, self.offset or 0.0

    @property
    def changes(self) -> bool:
        """Whether physical values are other than those stored."""
        return self.numbers != (1.0, 0.0)


@dataclass(frozen=True)
class Asset:
    """A file of a STAC item.

    Attributes:
        href: what GDAL opens.
        scalings: of its bands, as far as the item tells; one holds for all.
        nodata: no-data value, where the item tells one for all bands.
    """

    href: str
    scalings: tuple[Scaling, ...] = ()
    nodata: float | None = None


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        number: from 1.
        where: in the file, such as `line 4`.
        cells: texts by column; empty where there is no value.
        assets: of a STAC item, by key.
        item: the STAC item itself.
    """

    number: int
    where: Phrase
    cells: Mapping[str, str]
    assets: Mapping[str, Asset] = field(default_factory=dict)
    item: Mapping[str, Any] | None = None

    @property
    def name(self) -> Phrase:
        """What it is called in messages."""
        return Phrase("Row {number} ({where})", number=self.number, where=self.where)


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        path: as it was given.
        folder: where its relative paths begin; empty where it lies at an address.
        columns: their names, in order.
        rows: in order.
        of_items: whether rows are STAC items, whose columns are no parameters, whatever they are called.
        more: address of further items, which are not among the rows; empty where there are none.
    """

    path: str
    folder: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    of_items: bool = False
    more: str = ""
