"""Opening vector files, and the layer of one that is meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from osgeo import gdal

from ..errors import VectorError
from ..files import inputs
from ..files.gdalcalls import collected_errors, open_unchanged
from ..parameters.vectorsource import Address, LayerSource
from ..phrases import Phrase
from .completeness import check_complete
from .texts import shown

_TABLES_OF_QGIS = ("layer_styles", "qgis_projects")
"""What QGIS adds to a database beside its layers."""


def split_source(source: LayerSource) -> tuple[str, str]:
    """Return path and layer name of a source; the name is empty where none is given."""
    address = Address.of(source)
    return address.path, address.layer


def opened(address: Address) -> tuple[Any, Any]:
    """Return dataset and layer, its texts decoded as its files say.

    Raises:
        VectorError: it cannot be opened, it is not clear which layer is meant, or a part of its files is missing.
    """
    if address.others:
        raise VectorError(
            "The layer {address} is given with {other!r}, which only QGIS applies: choose the layer in QGIS, or "
            "save its content to a file.",
            address=address.path,
            other=address.others[0],
        )
    dataset = open_vector(address.path, address.options)
    layer = _choose(dataset, address)
    encoding = _passed_over(layer, address.options)
    if encoding:
        layer = None
        dataset = open_vector(address.path, (*address.options, f"ENCODING={encoding}"))
        layer = _choose(dataset, address)
    check_complete(dataset, layer, address.path)
    return dataset, layer


def open_vector(path: str, options: Sequence[str] = ()) -> Any:
    """Open a vector file for reading; see `open_unchanged`.

    Raises:
        VectorError: it cannot be opened.
    """
    inputs.check_ordinary(path, error=VectorError)
    dataset = None
    with collected_errors() as errors:
        dataset = open_unchanged(path, gdal.OF_VECTOR | gdal.OF_VERBOSE_ERROR, VectorError, options)
    if dataset is None:
        raise VectorError(
            "Cannot open the layer {path}: {errors}. Check the path and that OGR reads the format.",
            path=path,
            errors=errors,
        )
    if (watching := inputs.current()) is not None:
        for file in dataset.GetFileList() or ():
            watching.watch(file, path)
    return dataset


def text_encoding(source: LayerSource) -> str:
    """Return the encoding of a layer's texts, if its files or options name one.

    Raises:
        VectorError: it cannot be opened.
    """
    address = Address.of(source)
    _dataset, layer = opened(address)  # the layer lives as long as its data set
    return str((layer.GetMetadata("SHAPEFILE") or {}).get("SOURCE_ENCODING") or "")


def _passed_over(layer: Any, options: Sequence[str]) -> str:
    """Return the encoding that a shapefile's own files name, where GDAL does not follow it; else nothing.

    QGIS switches the decoding of shapefiles off (SHAPE_ENCODING is empty) for the whole process.
    """
    if any(option.upper().startswith("ENCODING=") for option in options):
        return ""
    known = layer.GetMetadata("SHAPEFILE") or {}
    if known.get("SOURCE_ENCODING"):
        return ""
    return str(known.get("ENCODING_FROM_CPG") or known.get("ENCODING_FROM_LDID") or "")


def _choose(dataset: Any, address: Address) -> Any:
    path, count = address.path, dataset.GetLayerCount()
    names = [shown(dataset.GetLayer(index).GetName()) for index in range(count)]
    if address.layer:
        layer = None
        with collected_errors():
            layer = dataset.GetLayerByName(address.layer)
        if layer is None:
            raise VectorError(
                "{path} has no layer {layer!r}. Its layers are: {names}.",
                path=path,
                layer=address.layer,
                names=", ".join(names) or Phrase("none"),
            )
        return layer
    if address.number is not None:
        if address.number >= count:
            raise VectorError(
                "{path} has no layer number {number}: it has {count}, numbered from 0.",
                path=path,
                number=address.number,
                count=count,
            )
        return dataset.GetLayer(address.number)
    numbers = [number for number, name in enumerate(names) if name not in _TABLES_OF_QGIS]
    if len(numbers) != 1:
        raise VectorError(
            Phrase(
                "{path} has {count} layers ({names}): name one, as {path}|layername={name}.",
                path=path,
                count=count,
                names=", ".join(names[:8]),
                name=names[0],
            )
            if names
            else Phrase("{path} holds no vector layer.", path=path)
        )
    return dataset.GetLayer(numbers[0])
