"""What must be the same for all runs that compute parts of one output: product, model, inputs and parameters.

Files are compared by size and time of change, to the second, and not by their folder, which may be mounted elsewhere on
another machine. The model, which is small, is compared by its content.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from osgeo import gdal

from ..base.addresses import leads_to_server, masked
from ..errors import ParameterError, field
from ..files.filesbehind import Behind
from ..files.gdalcalls import collected_errors
from ..files.memoryfiles import PREFIX
from ..files.privatecopies import is_database, original
from ..parameters.rasteroutputs import RASTER_OUTPUTS, outputs_identity
from ..parameters.rastersource import RasterSource, described, path_of
from ..phrases import Phrase
from ..rasters.rasterstack import Stack

_OF_A_MACHINE = (
    *(*RASTER_OUTPUTS, "part", "resume", "memory", "ram", "device", "trust_model"),
    *("cluster", "cluster_partsize", "cluster_tls"),
)
"""Fields of the parameters that may differ from run to run."""

_LONGEST = 200
"""Characters of a value that a message shows."""

OF_THE_FORMAT = ("out_format", "out_co", "out_overviews")
"""Those that count only where the parts themselves are the result."""


def versions_identity(*packages: str) -> dict[str, str]:
    """Return the versions of the plugin and of packages, under words that name them."""
    ours = importlib.import_module(__name__.split(".", maxsplit=1)[0]).__version__
    found = {name: importlib.import_module(_MODULES[name]).__version__ for name in packages}
    return {"the version of the plugin": ours, **{f"the version of {name}": text for name, text in found.items()}}


_MODULES = {"TensorFlow": "tensorflow", "Keras": "keras", "scikit-learn": "sklearn", "ONNX Runtime": "onnxruntime"}


def parameters_identity(parameters: Any, but: Collection[str], parts_are_kept: bool) -> dict[str, str]:
    """Return the values of parameters as texts, under their fields.

    Args:
        parameters: of the operation, a dataclass.
        but: fields that are compared in another way.
        parts_are_kept: whether the output refers to the parts, so that they have the format that is asked for.
    """
    found = {}
    for item in dataclasses.fields(parameters):
        if item.name not in _OF_A_MACHINE and item.name not in but:
            usual = item.name in OF_THE_FORMAT and not parts_are_kept
            found[item.name] = plain(item.default if usual else getattr(parameters, item.name))
    return {**found, **outputs_identity(parameters)}


def plain(value: Any) -> str:
    """Return a value as text."""
    return json.dumps(value, ensure_ascii=False)


def images_identity(stack: Stack, given: Sequence[Any], name: str) -> str:
    """Return what tells the rasters of a stack from others.

    Args:
        stack: the open rasters.
        given: as the user gives them.
        name: mention of their parameter.

    Raises:
        ParameterError: one lies in the memory of this process.
    """
    rasters = [_image(*each, name) for each in zip(stack.datasets, stack.names, given)]
    grid = stack.grid
    told = hashlib.sha256(repr((stack.held, stack.masks, grid, stack.reference)).encode()).hexdigest()[:12]
    size = Phrase(
        "{width} x {height} pixels of {bands} bands, grid and no-data {told}",
        width=grid.width,
        height=grid.height,
        bands=stack.bands,
        told=told,
    )
    return Phrase("; ").join([*rasters, size])


def differences(theirs: Mapping[str, str], ours: Mapping[str, str], but: Collection[str] = ()) -> list[str]:
    """Return what differs, each as `name (there X, here Y)`; names in `but` do not count."""
    found: list[str] = []
    for name in dict.fromkeys((*theirs, *ours)):
        there, here = theirs.get(name, "null"), ours.get(name, "null")
        if name in but or theirs.get(name) == ours.get(name):
            continue
        begin = _begin(there, here)
        found.append(
            Phrase(
                "{name} (there {short}, here {short_ours})",
                name=name if " " in name else field(name),
                short=_short(there, begin),
                short_ours=_short(here, begin),
            )
        )
    return found


def _short(text: str, begin: int) -> str:
    if text in ("null", '""'):
        return Phrase("nothing")
    end = begin + _LONGEST
    return ("..." if begin else "") + text[begin:end] + ("..." if end < len(text) else "")


def _begin(one: str, other: str) -> int:
    """Return from where on two texts are shown, so that where they begin to differ is among it."""
    if max(len(one), len(other)) <= _LONGEST:
        return 0
    same = len(os.path.commonprefix([one, other]))
    return max(one.rfind(mark, 0, same) + len(mark) for mark in (", ", "; ")) if same > _LONGEST // 2 else 0


def _image(dataset: gdal.Dataset, name: str, given: Any, mention: str) -> str:
    """Return what tells a raster from another of its name."""
    behind = Behind(dataset)
    listed = [original(file) for file in behind.files]
    asked = described(given)
    if any(PREFIX in text for text in (name, *listed)) or not (listed or path_of(asked)):
        raise ParameterError(
            "{mention} is {name}, which lies in the memory of this process, where other runs cannot read "
            "it: save it as a file first.",
            mention=mention,
            name=name,
        )
    file_told = functools.lru_cache(maxsize=None)(_file)  # virtual rasters name a file once for each band
    files = [] if leads_to_server(name) else list(filter(None, map(file_told, listed)))
    settings = repr(dataclasses.replace(asked, path="")) if isinstance(asked, RasterSource) else ""
    return ", ".join(filter(None, [*(files or [name]), _reading(behind, file_told), settings]))


def _file(file: str) -> str:
    """Return what tells a file, of a disk or of one of GDAL's other file systems; nothing where there is none.

    What has an address is told by it: asking servers takes what only the reader of the raster knows.
    """
    if leads_to_server(file):
        return masked(file)
    with collected_errors():
        found = gdal.VSIStatL(file)
    if found is None or found.IsDirectory():
        return ""
    told = Phrase("{path} of {size} bytes", path=Path(masked(file)).name, size=found.size)
    # The time of a database changes when QGIS shows it.
    return told if is_database(file) else Phrase("{told} changed at {mtime}", told=told, mtime=found.mtime)


def _reading(behind: Behind, file_told: Callable[[str], str]) -> str:
    """Return what tells how virtual rasters read their sources; empty where there are none."""
    folders = {os.path.dirname(original(file)) for file in behind.files} - {""}

    def told(name: str) -> str:
        name = original(name)
        if name.lstrip().startswith("<"):
            return "XML"  # which is among the texts itself
        if found := file_told(name):
            return found
        # The name of a part of a file: its folder may be mounted elsewhere.
        folder = max((folder for folder in folders if f"{folder}/" in name), key=len, default="")
        return name.replace(f"{folder}/", "") if folder else name

    texts = behind.texts(told)
    if not texts:
        return ""
    return Phrase("virtual raster {hexdigest}", hexdigest=hashlib.sha256(repr(texts).encode()).hexdigest()[:12])
