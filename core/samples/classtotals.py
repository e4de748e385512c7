"""Numbers of pixels of each class and each feature, and the files that hold them.

The XML is what OTB's PolygonClassStatistics writes and its SampleSelection reads.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from osgeo import gdal

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..files.gdalcalls import collected_errors
from ..files.staging import Staging
from ..rasters.rasterreference import Reference
from ..vectors.vectorlayer import INTEGER, TEXT, Field
from ..vectors.vectoroutput import NO_GEOMETRY, OutputVector

_CLASS, _VECTOR = "samplesPerClass", "samplesPerVector"


@dataclass(frozen=True)
class Statistics:
    """Numbers of pixels.

    Attributes:
        per_class: class to pixels, in the classes' order.
        per_vector: key of a feature to pixels, in the layer's order.
        class_of: key of a feature to its class; empty where it was read from a file.
    """

    per_class: dict[str, int]
    per_vector: dict[int, int]
    class_of: dict[int, str]


def natural_order(label: str) -> tuple[int, float, str]:
    """Return a key that sorts labels: numbers by their value, then texts."""
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)


def xml(statistics: Statistics) -> str:
    """Return the statistics as XML."""
    lines = ['<?xml version="1.0" ?>', "<GeneralStatistics>"]
    for name, counts in ((_CLASS, statistics.per_class), (_VECTOR, statistics.per_vector)):
        lines.append(f'    <Statistic name="{name}">')
        lines += [f'        <StatisticMap key="{html.escape(str(k))}" value="{v}" />' for k, v in counts.items()]
        lines.append("    </Statistic>")
    return "\n".join([*lines, "</GeneralStatistics>", ""])


def read_class_totals(path: str) -> dict[str, int]:
    """Return the pixels of each class from the XML of OTB's or our own statistics.

    Raises:
        ParameterError: it cannot be read, or holds no such statistics.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            "{instats} is {path}, which cannot be read: {error}.", instats=field("instats"), path=path, error=error
        ) from error
    tree: Any = None
    with collected_errors() as errors:
        tree = gdal.ParseXMLString(text)
    if tree is None or errors.failed:
        raise ParameterError(
            "{instats} is {path}, which is not XML: {errors}. Choose the output of PolygonClassStatistics.",
            instats=field("instats"),
            path=path,
            errors=errors,
        )
    totals: dict[str, int] = {}
    for statistic in xml_elements(tree, "Statistic"):
        if xml_attribute(statistic, "name") != _CLASS:
            continue
        for entry in xml_elements(statistic, "StatisticMap"):
            number = xml_attribute(entry, "value")
            if not number.isdecimal():
                raise ParameterError(
                    "{instats} is {path}, where a class has {number!r} pixels, but numbers of pixels must be whole: "
                    "choose the output of PolygonClassStatistics.",
                    instats=field("instats"),
                    path=path,
                    number=number,
                )
            totals[xml_attribute(entry, "key")] = int(number)
    totals.pop("", None)  # OTB's class of the features that have none
    if not totals:
        raise ParameterError(
            "{instats} is {path}, which holds no {class_}: choose the output of PolygonClassStatistics, or leave it "
            "empty to compute the statistics during the run.",
            instats=field("instats"),
            path=path,
            class_=_CLASS,
        )
    return {name: totals[name] for name in sorted(totals, key=natural_order)}


def read_statistics(path: str) -> Statistics:
    """Return the statistics in an XML that a run of ours has written; without the classes of features, which it lacks.

    Raises:
        ParameterError: it is damaged.
    """
    tree: Any = None
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError("{path} cannot be read: {error}.", path=path, error=error) from error
    with collected_errors() as errors:
        tree = gdal.ParseXMLString(text)
    if tree is None or errors.failed:
        raise ParameterError("{path} holds no statistics: {errors}.", path=path, errors=errors)
    found: dict[str, dict[str, int]] = {_CLASS: {}, _VECTOR: {}}
    try:
        for statistic in xml_elements(tree, "Statistic"):
            for entry in xml_elements(statistic, "StatisticMap"):
                counts = found[xml_attribute(statistic, "name")]
                counts[xml_attribute(entry, "key")] = int(xml_attribute(entry, "value"))
        per_vector = {int(key): count for key, count in found[_VECTOR].items()}
    except (KeyError, ValueError) as error:
        raise ParameterError("{path} holds no statistics: {error}.", path=path, error=error) from error
    return Statistics(found[_CLASS], per_vector, {})


def xml_elements(node: Any, name: str) -> Iterator[Any]:
    """Yield the elements called `name` at any depth; a node of GDAL's is [type, value, child, ...]."""
    if node[0] == gdal.CXT_Element and node[1] == name:
        yield node
        return
    for child in node[2:]:
        yield from xml_elements(child, name)


def xml_attribute(node: Any, name: str) -> str:
    """Return the attribute called `name` of an element; empty where it has none."""
    for child in node[2:]:
        if child[0] == gdal.CXT_Attribute and child[1] == name:
            return str(child[2][1]) if len(child) > 2 else ""
    return ""


def write_table(statistics: Statistics, staging: Staging, progress: Progress) -> None:
    """Write a table of four columns: which statistic, the key in it, the class, the pixels.

    Raises:
        VectorError: it cannot be written.
    """
    fields = [Field("statistic", TEXT), Field("key", TEXT), Field("class", TEXT), Field("samples", INTEGER)]
    classes = [(_CLASS, name, name, count) for name, count in statistics.per_class.items()]
    vectors = [(_VECTOR, str(key), statistics.class_of[key], n) for key, n in statistics.per_vector.items()]
    with OutputVector(staging, fields, Reference("", False), progress, geometry=NO_GEOMETRY) as output:
        output.write(_columns(classes + vectors))
        output.close()


def _columns(rows: Iterable[tuple[str, str, str, int]]) -> list[np.ndarray]:
    *texts, counts = zip(*rows)
    return [*(np.array(column, object) for column in texts), np.array(counts, np.int64)]
