"""The rasters of a run of serving: the map, and how sure it is, each with its form; and the tiles on their way there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..classes.classtables import declare_classes
from ..classes.modelclasses import Classes, ModelClass
from ..classes.palette import coloured
from ..errors import field
from ..geometry.grid import Box
from ..parts.rasterwork import RasterForm, Writer
from ..phrases import Phrase
from ..rasters.conversion import Converter
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.outputtrial import Content
from ..rasters.pixeltypes import written_type
from .certainty import CertaintyBands
from .openmodel import OpenModel
from .servedoutput import declared_nodata, output_content, told_classes
from .servesettings import RasterSettings
from .tilecomputer import TileOutput

_CERTAINTY_FIELDS = replace(OUT_FIELDS, pixel_type="")  # they have no choice of it


class ServedForms:
    """What the rasters are.

    Attributes:
        output: what becomes of a tile's values.
    """

    def __init__(self, settings: RasterSettings, opened: OpenModel) -> None:
        """Check the settings.

        Raises:
            ParameterError: a pixel type cannot hold a no-data value, or the values of the model.
        """
        self._opened, self._fields = opened, settings.certainty
        self._dtype = written_type(opened.dtype_name, settings.pixel_type)
        self._background = settings.background
        self._nodata = declared_nodata(settings.nodata, opened, self._dtype, self._background)
        self._bands: CertaintyBands | None = None
        self.output = TileOutput(self._dtype, self._background)
        if opened.probabilities is not None:
            model, wanted = opened.loaded.model, field(self._fields[0])
            self._bands = CertaintyBands(model, opened.outputs[0], opened.probabilities, self._fields, wanted)
            background = np.full(self._bands.bands, np.nan)
            background[: self._bands.mapped] = self._background
            self.output = TileOutput(np.dtype("float64"), background, self._bands)

    def forms(self, bands: int) -> list[RasterForm]:
        """Return what each raster is; `bands` are those that the model returns."""
        mapped = self._bands.mapped if self._bands else bands
        others = [self._background] if self._opened.masked else []
        content = output_content(self._opened, mapped, self._dtype, others)
        found = [RasterForm("out", mapped, self._dtype, self._background, self._nodata, content, OUT_FIELDS)]
        if self._bands is not None:
            found += [self._certainty_form(name, self._bands.width(name)) for name in self._fields]
        return found

    def _certainty_form(self, name: str, bands: int) -> RasterForm:
        describe = partial(declare_classes, classes=self._classes, numbers=False)
        content = Content(describe=describe) if name == "out_probabilities" else Content()
        return RasterForm(name, bands, np.dtype("float32"), np.nan, np.nan, content, _CERTAINTY_FIELDS)

    @property
    def _classes(self) -> Classes:
        """The classes, one for each probability; numbered from 0 where the model's sidecar names none."""
        known, found = self._opened.classes, self._opened.probabilities
        count = found.classes if found else 0
        return known if len(known) == count else coloured(tuple(ModelClass(n) for n in range(count)))

    def results(self, bands: int) -> dict[str, Any]:
        """Return what the operation's results say of bands and classes; see `told_classes`."""
        mapped = self._bands.mapped if self._bands else bands
        found = {"bands": mapped, **told_classes(self._opened, mapped, self._dtype)}
        if "out_probabilities" in self._fields:
            found["probabilities"] = [item.name or str(item.value) for item in self._classes]
        return found


class ServedTiles:
    """Takes the values of tiles, and hands each raster its bands, in its type.

    Attributes:
        converter: of the map's values; it counts what its type changes.
    """

    def __init__(self, forms: Sequence[RasterForm], rasters: Sequence[Writer]) -> None:
        """Take the rasters, one for each form."""
        self._pairs = list(zip(forms, rasters))
        self.converter = Converter(forms[0].dtype, forms[0].background)

    def write(self, box: Box, values: np.ndarray) -> None:
        """Write a tile.

        Args:
            box: where.
            values: of shape (box.height, box.width, bands of all rasters).

        Raises:
            RasterError: it cannot be written.
        """
        first = 0
        for form, raster in self._pairs:
            part = values[..., first : first + form.bands]
            first += form.bands
            raster.write(box, self.converter(part) if form.name == "out" else part.astype(form.dtype, copy=False))

    def told(self) -> list[str]:
        """Return warnings that count the values which the map's pixel type does not hold."""
        background = self._pairs[0][0].background
        shown = Phrase("{background:g} ({output_bv})", background=background, output_bv=field("output_bv"))
        return self.converter.told(field("out_pixeltype"), shown)
