"""What must be the same for all runs that compute parts of one output: product, model, inputs and parameters.

Files are compared by size and time of change, to the second, and not by their folder, which may be mounted elsewhere on
another machine. The model, which is small, is compared by its content.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from osgeo import gdal

from ..base.addresses import masked
from ..errors import ParameterError, field
from ..files.gdalcalls import collected_errors
from ..files.memoryfiles import PREFIX
from ..files.privatecopies import is_database, original
from ..models.identity import fingerprint
from ..parameters.rastersource import RasterSource, described, path_of
from ..phrases import Phrase
from ..probing.sources import OpenSource
from .openmodel import OpenModel

_OF_A_MACHINE = ("out", "part", "resume", "memory", "ram", "device", "model_dir", "trust_model", "sources")
"""Fields of the parameters that may differ from run to run, or that are compared in another way."""

OF_THE_FORMAT = ("out_format", "out_co")
"""Those that count only where the parts themselves are the result."""


def run_identity(parameters: Any, opened: OpenModel, parts_are_kept: bool) -> dict[str, str]:
    """Return what must be the same, as texts; under the fields of parameters, or under words for the rest.

    Args:
        parameters: of the operation, a dataclass.
        opened: its model and sources.
        parts_are_kept: whether the output refers to the parts, so that they have the format that is asked for.

    Raises:
        ParameterError: an input lies in the memory of this process.
    """
    found = {
        "the version of the plugin": importlib.import_module(__name__.split(".", maxsplit=1)[0]).__version__,
        "the version of TensorFlow": importlib.import_module("tensorflow").__version__,
        "the version of Keras": importlib.import_module("keras").__version__,
        "the model": fingerprint(parameters.model_dir),
    }
    for item in dataclasses.fields(parameters):
        if item.name not in _OF_A_MACHINE:
            usual = item.name in OF_THE_FORMAT and not parts_are_kept
            found[item.name] = _plain(item.default if usual else getattr(parameters, item.name))
    for source, given in zip(opened.sources, parameters.sources):
        for name, value in vars(given).items():
            found[f"sources[{source.number}].{name}"] = _images(source) if name == "il" else _plain(value)
    return found


def differences(theirs: Mapping[str, str], ours: Mapping[str, str], but: Collection[str] = ()) -> list[str]:
    """Return what differs, each as `name (there X, here Y)`; names in `but` do not count."""
    names = dict.fromkeys((*theirs, *ours))
    return [
        Phrase(
            "{name} (there {short}, here {short_ours})",
            name=name if " " in name else field(name),
            short=_short(theirs, name),
            short_ours=_short(ours, name),
        )
        for name in names
        if name not in but and theirs.get(name) != ours.get(name)
    ]


def _short(texts: Mapping[str, str], name: str) -> str:
    text = texts.get(name, "nothing")
    return "nothing" if text in ("null", '""') else text if len(text) <= 200 else text[:200] + "..."


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _images(source: OpenSource) -> str:
    stack = source.stack
    rasters = [_image(*each, source.number) for each in zip(stack.datasets, stack.names, source.settings.rasters)]
    grid = stack.grid
    told = hashlib.sha256(repr((stack.held, stack.masks, grid, stack.reference)).encode()).hexdigest()[:12]
    return Phrase("; ").join(
        [
            *rasters,
            Phrase(
                "{width} x {height} pixels of {bands} bands, grid and no-data {told}",
                width=grid.width,
                height=grid.height,
                bands=stack.bands,
                told=told,
            ),
        ]
    )


def _image(dataset: gdal.Dataset, name: str, given: Any, number: int) -> str:
    """Return what tells a raster from another of its name."""
    listed = [original(file) for file in dataset.GetFileList() or []]
    asked = described(given)
    if any(PREFIX in text for text in (name, *listed)) or not (listed or path_of(asked)):
        raise ParameterError(
            "{il} is {name}, which lies in the memory of this process, where other runs cannot read it: save it as "
            "a file first.",
            il=field("il", "sources", number),
            name=name,
        )
    # What has an address is told by it: asking servers takes what only the reader of the raster knows.
    files = [] if "://" in name else list(filter(None, map(_file, listed)))
    settings = repr(dataclasses.replace(asked, path="")) if isinstance(asked, RasterSource) else ""
    return ", ".join(filter(None, [*(files or [name]), _bands(dataset), settings]))


def _file(file: str) -> str:
    """Return what tells a file, of a disk or of one of GDAL's other file systems; nothing where there is none."""
    with collected_errors():
        found = gdal.VSIStatL(file)
    if found is None or found.IsDirectory():
        return ""
    told = Phrase("{path} of {size} bytes", path=Path(masked(file)).name, size=found.size)
    # The time of a database changes when QGIS shows it.
    return told if is_database(file) else Phrase("{told} changed at {mtime}", told=told, mtime=found.mtime)


def _bands(dataset: gdal.Dataset) -> str:
    """Return which bands of its sources a virtual raster takes, as far as it tells."""
    if dataset.GetDriver().ShortName != "VRT":
        return ""
    xml = (dataset.GetMetadata("xml:VRT") or [""])[0]
    taken = [line.strip() for line in xml.splitlines() if "<SourceBand>" in line or "Rect " in line]
    return Phrase("bands and windows {hexdigest}", hexdigest=hashlib.sha256(repr(taken).encode()).hexdigest()[:12])
