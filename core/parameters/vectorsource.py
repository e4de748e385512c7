"""How a request or a script names a vector layer, and what a path does not say of it."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any, Union

from ..errors import ParameterError
from ..phrases import Phrase
from .describedsource import DescribedSource

_FORM = '{"path": ..., "crs": ..., "fields": [...]}'


@dataclass(frozen=True)
class VectorSource(DescribedSource):
    """A vector layer, and what is known of it beside its file: a source for every parameter that takes a layer.

        points = VectorSource("points.gpkg|layername=first", crs="EPSG:32654")
        core.run("SampleExtraction", {"vec": points, ...})

    In a request to the engine it is a JSON object with the same names.

    Attributes:
        path: what OGR opens, as `Address` reads it.
        crs: the coordinate system to use in place of the file's own: a code such as `EPSG:32654`, or WKT; empty for the
            file's own.
        fields: what the fields are called, in the file's order, where its format could not hold their names; empty for
            the file's own names.

    Raises:
        ParameterError: one of them is of another type.
    """

    WHAT, FORM, ERROR = Phrase("layer"), _FORM, ParameterError

    path: str
    crs: str = ""
    fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fields = self._listed("fields", self.fields, Phrase("a list of texts"))
        if not all(isinstance(name, str) for name in fields):
            raise self._refused("fields", self.fields, Phrase("a list of texts"))
        self._take(path=self._path(self.path), crs=self._text("crs", self.crs), fields=fields)

    def named(self, layer: str) -> VectorSource:
        """Return the layer called `layer` of the same file."""
        return dataclasses.replace(self, path=f"{self.path}|layername={layer}")


LayerSource = Union[str, VectorSource]
"""What names a layer: `path`, `path|layername=name`, or an object that tells more."""


def described(source: Any) -> Any:
    """Return a JSON object as the `VectorSource` that it is, a path object as text, anything else as it is.

    Raises:
        ParameterError: see `VectorSource.read`.
    """
    return VectorSource.described(source)


@dataclass(frozen=True)
class Address:
    """The parts of `path|layername=name|option:KEY=VALUE`, as QGIS writes the source of a layer.

    Attributes:
        path: the file.
        layer: the layer's name; empty where none is given.
        number: the layer's number from 0, as `|layerid=` gives it; None where none is given.
        options: open options of OGR's driver, each as `KEY=VALUE`.
        others: parts that only QGIS follows, such as `subset=...`.
    """

    path: str
    layer: str = ""
    number: int | None = None
    options: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: LayerSource) -> Address:
        """Return the parts of a source. A `|` that belongs to the path of an existing file divides nothing."""
        parts = str(source).split("|")
        ends = range(len(parts), 1, -1)
        end = next((end for end in ends if os.path.exists("|".join(parts[:end]))), 1)
        path, words = "|".join(parts[:end]), parts[end:]
        layer, number = "", None
        options: list[str] = []
        others: list[str] = []
        for place, word in enumerate(words):
            key, _, value = word.partition("=")
            key = key.strip().lower()
            if key == "layername":
                layer = value
            elif key == "layerid" and value.strip().isdigit():
                number = int(value)
            elif key.startswith("option:"):
                options.append(word.strip()[len("option:") :])
            elif key == "subset":  # it stands last, and may hold a | itself
                others.append("|".join(words[place:]))
                break
            elif word.strip():
                others.append(word)
        return cls(path, layer, number, tuple(options), tuple(others))
