"""GDAL's reports about rasters that it opens: failures refuse the raster, warnings go to the run's log."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from osgeo import gdal

from ..base.addresses import masked
from ..errors import RasterError
from ..files import inputs
from ..files.gdalcalls import Errors
from ..phrases import Phrase

_log = logging.getLogger("otbtf_qgis")

_MOST = 20
"""Most warnings that are reported of one raster: some formats have one for every block."""

_PROJ = "PROJ: "
"""Begins what is said of a coordinate system that this PROJ does not know, or not yet: the file is whole."""

_NO_FAILURES = {"PCIDSK": "not recognized as"}
"""By format, what GDAL reports while it opens ordinary files: channels in files of their own are raw."""


class Reports:
    """GDAL's reports of one raster, told in the run that is in progress now, from whatever thread they come.

    Outside of any run Python's log gets the warnings.
    """

    def __init__(self, name: str) -> None:
        """Begin with none; `name` is what the raster is called."""
        self._name, self._run = masked(name), inputs.current()
        self._told: set[str] = set()

    def check_opened(self, dataset: gdal.Dataset, errors: Errors) -> None:
        """Tell what GDAL warned of while it opened a raster.

        Raises:
            RasterError: it reported a failure.
        """
        usual = _NO_FAILURES.get(dataset.GetDriver().ShortName)
        failures = [text for text in errors.failures if not (usual and usual in text)]
        refused = [text for text in failures if not text.startswith(_PROJ)]
        if refused:
            told = masked("; ".join(dict.fromkeys(text.strip().rstrip(".") for text in refused)))
            raise RasterError(
                "{name}, or a file beside it that describes it, is damaged or incomplete: GDAL opens it, but "
                "reports: {told}. Get it again, with all of its files.",
                name=self._name,
                told=told,
            )
        self.warn([*errors.warnings, *failures])

    def warn(self, messages: Iterable[str]) -> None:
        """Tell of GDAL's warnings, each once."""
        self.tell(
            Phrase("{name}: GDAL warns: {message}.", name=self._name, message=masked(message.strip().rstrip(".")))
            for message in messages
        )

    def tell(self, warnings: Iterable[str]) -> None:
        """Tell of warnings, each once."""
        for text in warnings:
            if text not in self._told and len(self._told) < _MOST:
                self._told.add(text)
                if self._run is not None:
                    self._run.warn_once(text)
                else:
                    _log.warning("%s", text)
