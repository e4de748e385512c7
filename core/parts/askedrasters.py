"""The rasters that a run in parts is asked for, from the parameters that all such operations have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..files.staging import check_writable
from ..parameters.rasteroutputs import output_paths, results_of
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.rasteroutput import creation_options, driver_for

_OF_PARTS = ("GTiff", "COG")
"""Formats of parts: tiled, so that a virtual raster of them is read without reading whole parts."""


@dataclass(frozen=True)
class AskedRasters:
    """The rasters of a run.

    Attributes:
        paths: by field; the first gives the folder of parts its name.
        results: the same by key.
        virtual: whether they refer to the parts.
        driver: name of the driver that the user gives.
        options: creation options of what is kept: of parts, or of what they are copied into.
        overviews: whether what parts are copied into gets overviews; parts that are kept always do.
    """

    paths: Mapping[str, str]
    results: Mapping[str, str]
    virtual: bool
    driver: str
    options: tuple[str, ...]
    overviews: bool

    @classmethod
    def of(cls, parameters: Any) -> AskedRasters:
        """Return the outputs, after checking that they can be made.

        Raises:
            ParameterError: one of them cannot, or they are of different kinds.
        """
        paths = output_paths(parameters)
        virtual = _is_virtual(paths["out"])
        for name, path in paths.items():
            if _is_virtual(path) != virtual:
                raise ParameterError(
                    "{out} is {paths} and {name} is {path}, but in parts both must be a .vrt, or neither: change "
                    "one of them.",
                    out=field("out"),
                    paths=paths["out"],
                    name=field(name),
                    path=path,
                )
            check_writable(path, field(name))
            if not virtual:
                driver_for(path, parameters.out_format, OUT_FIELDS)
        options = creation_options(parameters.out_co, OUT_FIELDS.options)
        name = _driver_of_parts(parameters.out_format) if virtual else parameters.out_format
        return cls(paths, results_of(parameters), virtual, name, tuple(options), parameters.out_overviews)

    @property
    def form_of_parts(self) -> tuple[str, tuple[str, ...]]:
        """Driver and creation options of the parts."""
        return (self.driver, self.options) if self.virtual else ("GTiff", ())


def _is_virtual(path: str) -> bool:
    return path.lower().endswith(".vrt")


def _driver_of_parts(given: str) -> str:
    """Return the name of the driver that writes parts.

    Raises:
        ParameterError: another format is asked for.
    """
    for name in _OF_PARTS:
        if (given or "GTiff").lower() == name.lower():
            return name
    raise ParameterError(
        "{out_format} is {given}, but the parts of a virtual raster are GeoTIFFs: leave it out, or set COG.",
        out_format=field("out_format"),
        given=given,
    )
