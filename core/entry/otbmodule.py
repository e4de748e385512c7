"""OTB's Python module, as scripts for OTBTF use it; they change its import only.

    from otbtf_qgis.core import otbApplication

    serve = otbApplication.Registry.CreateApplication("TensorflowModelServe")
    serve.SetParameterStringList("source1.il", ["image.tif"])
    serve.SetParameterString("model.dir", "model")
    serve.SetParameterString("out", "map.tif?&gdal:co:COMPRESS=DEFLATE")
    serve.SetParameterOutputImagePixelType("out", otbApplication.ImagePixelType_uint8)
    serve.ExecuteAndWriteOutput()

The applications are those of command lines, with OTBTF's defaults, and `ReadImageInfo`. What one application hands to
another in memory goes through a temporary file of the pixel type that OTB computes in, float.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable
from typing import Any

from .. import registry
from ..errors import ParameterError
from ..parameters.kinds import Content, Key
from ..parameters.parsing import keys
from ..phrases import Phrase
from ..workflows.commandline import call_of, known_applications

ImagePixelType_uint8 = 0
ImagePixelType_int16 = 1
ImagePixelType_uint16 = 2
ImagePixelType_int32 = 3
ImagePixelType_uint32 = 4
ImagePixelType_float = 5
ImagePixelType_double = 6
"""OTB's numbers of pixel types."""

__all__ = [
    "Application",
    "Image",
    "ImagePixelType_double",
    "ImagePixelType_float",
    "ImagePixelType_int16",
    "ImagePixelType_int32",
    "ImagePixelType_uint16",
    "ImagePixelType_uint32",
    "ImagePixelType_uint8",
    "Registry",
]

PIXEL_TYPES = ("uint8", "int16", "uint16", "int32", "uint32", "float", "double")
"""Their names, in the order of the numbers."""

_log = logging.getLogger("otbtf_qgis")


class Image:
    """An output of an application that has not been written, as another application takes it."""

    def __init__(self, application: Application, key: str) -> None:
        """Name the output; nothing is computed yet."""
        self._application, self._key = application, key

    def path(self) -> str:
        """Return a raster that holds it, which is computed when it is first asked for."""
        return self._application.temporary(self._key)


class Application:
    """An application with its parameters; made by `Registry.CreateApplication`."""

    def __init__(self, name: str) -> None:
        """Take the application called `name`.

        Raises:
            ParameterError: there is none here.
        """
        self._name = call_name(name)
        self._given: dict[str, list[Any]] = {}
        self._types: dict[str, str] = {}
        self._results: dict[str, Any] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._temporary: dict[str, str] = {}

    # ------------------------------------------------------------ parameters

    def SetParameterValue(self, key: str, value: Any) -> None:
        """Set a parameter: a text, a number, a boolean, or a list; an image is a path, an `Image` or an `Application`."""
        several = isinstance(value, (list, tuple))
        self._given[key] = [_taken(item) for item in (value if several else [value])]
        self._changed()

    SetParameterString = SetParameterStringList = SetParameterInt = SetParameterFloat = SetParameterValue
    SetParameterInputImage = SetParameterInputFilename = SetParameterValue

    def SetParameters(self, values: dict[str, Any]) -> None:
        """Set several parameters by their keys."""
        for key, value in values.items():
            self.SetParameterValue(key, value)

    def AddParameterStringList(self, key: str, value: Any) -> None:
        """Add to a list."""
        self.SetParameterValue(key, [*self._given.get(key, []), value])

    AddImageToParameterInputImageList = AddParameterStringList

    def SetParameterOutputImagePixelType(self, key: str, pixel_type: int | str) -> None:
        """Set the pixel type that an output is written in: an `ImagePixelType_...`, or its name.

        Raises:
            ParameterError: there is no such pixel type.
        """
        if pixel_type not in PIXEL_TYPES and pixel_type not in range(len(PIXEL_TYPES)):
            raise ParameterError(
                "The pixel type of {key} is {pixel_type!r}, but must be one of {pixel_types}.",
                key=key,
                pixel_type=pixel_type,
                pixel_types=", ".join(PIXEL_TYPES),
            )
        self._types[key] = pixel_type if isinstance(pixel_type, str) else PIXEL_TYPES[pixel_type]
        self._changed()

    def EnableParameter(self, key: str) -> None:
        """Switch a parameter on that has no value of its own."""
        if key not in self._given:
            self.SetParameterValue(key, [])

    def DisableParameter(self, key: str) -> None:
        """Leave a parameter out again."""
        self._given.pop(key, None)
        self._changed()

    ClearValue = DisableParameter

    def ConnectImage(self, key: str, other: Application, output: str) -> None:
        """Take an input from another application's output; a list takes one more."""
        image = other.GetParameterOutputImage(output)
        if any(known.name == key and known.kind.is_list for known in self._known([key])):
            self.AddParameterStringList(key, image)
        else:
            self.SetParameterValue(key, image)

    def UpdateParameters(self) -> None:
        """Do nothing: parameters are checked before the work."""

    # --------------------------------------------------------------- asking

    def GetName(self) -> str:
        """Return the application's name."""
        return self._name

    def GetParametersKeys(self) -> list[str]:
        """Return the names of all keys, with those of the sources in use."""
        return [key.name for key in self._known()]

    def HasValue(self, key: str) -> bool:
        """Return whether a parameter was set or found."""
        return key in self._given or key in (self._results or {})

    IsParameterEnabled = HasValue

    def GetParameterValue(self, key: str) -> Any:
        """Return what a run has found, or what was set.

        Raises:
            ParameterError: it has no value.
        """
        if key in (self._results or {}):
            return self._results[key]  # type: ignore[index]
        if key not in self._given:
            raise ParameterError(
                "{name} has no value of {key}: set it, or run the application first.", name=self._name, key=key
            )
        given = self._given[key]
        return given[0] if len(given) == 1 else given

    def GetParameterString(self, key: str) -> str:
        """Return `GetParameterValue` as text."""
        return str(self.GetParameterValue(key))

    def GetParameterInt(self, key: str) -> int:
        """Return `GetParameterValue` as a whole number."""
        return int(self.GetParameterValue(key))

    def GetParameterFloat(self, key: str) -> float:
        """Return `GetParameterValue` as a number."""
        return float(self.GetParameterValue(key))

    def GetParameterOutputImage(self, key: str) -> Image:
        """Return an output as another application takes it."""
        return Image(self, key)

    def output(self) -> Image:
        """Return the application's first raster output, as another application takes it."""
        return self.GetParameterOutputImage(self._first_raster(is_output=True))

    # -------------------------------------------------------------- running

    def ExecuteAndWriteOutput(self) -> int:
        """Run the application; see `core.run` for what it raises."""
        self._results = self._run(self._given, self._types)
        return 0

    def Execute(self) -> int:
        """Run an application that writes no image; an image is computed when it is written, or when it is used."""
        if not self._rasters(is_output=True):
            self.ExecuteAndWriteOutput()
        return 0

    def WriteOutput(self) -> int:
        """Write the outputs, unless that is done."""
        return 0 if self._results is not None else self.ExecuteAndWriteOutput()

    def temporary(self, key: str) -> str:
        """Return a raster with the output `key`, which lasts as long as this application does."""
        if key not in self._temporary:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="otbtf-")
            path = os.path.join(self._folder.name, f"{len(os.listdir(self._folder.name))}.tif")
            self._run({**self._given, key: [path]}, {key: "float"})
            self._temporary[key] = path
        return self._temporary[key]

    def _changed(self) -> None:
        """Forget what a run has found and written: it is of other parameters."""
        self._results = None
        self._temporary.clear()

    def _known(self, named: Iterable[str] = ()) -> tuple[Key, ...]:
        """Return the application's keys, with those of the sources that are in use or `named`."""
        return keys(registry.declaration(self._name), [*self._given, *named])

    def _rasters(self, is_output: bool) -> list[str]:
        """Return the keys that hold rasters: those to write, or those to read."""
        known = [key for key in self._known() if key.kind.content is Content.RASTER]
        return [key.name for key in known if key.kind.is_output is is_output]

    def _first_raster(self, is_output: bool) -> str:
        """Return the first of these keys."""
        found = self._rasters(is_output)
        if not found:
            raise ParameterError(
                "{name} has no raster {output}: name the key.",
                name=self._name,
                output=Phrase("output") if is_output else Phrase("input"),
            )
        return found[0]

    def _run(self, given: dict[str, list[Any]], types: dict[str, str]) -> dict[str, Any]:
        pairs = [(key, [*map(_word, values), *([types[key]] if key in types else [])]) for key, values in given.items()]
        call = call_of(self._name, pairs)
        for note in call.notes:
            _log.info("%s", note)
        return registry.run(call.application, call.values)


def _taken(value: Any) -> Any:
    return value.output() if isinstance(value, Application) else value


def _word(value: Any) -> str:
    return (
        value.path() if isinstance(value, Image) else os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    )


class ReadImageInfo(Application):
    """OTB's application of this name: what a script asks of an image before it is served."""

    def __init__(self) -> None:
        """Take no image yet."""
        super().__init__(ReadImageInfo.__name__)

    def Execute(self) -> int:
        """Read the image `in`: its size, bands, pixel type and place.

        Raises:
            ParameterError: there is no `in`.
            RasterError: it cannot be opened.
        """
        from ..imagetools.imageinformation import information

        self._results = information(_word(self.GetParameterValue("in")))
        return 0

    ExecuteAndWriteOutput = Execute

    def GetParametersKeys(self) -> list[str]:
        """Return the names of what is set and found."""
        return [*self._given, *(self._results or {})]


def call_name(name: str) -> str:
    """Return an application's name as it is spelled.

    Raises:
        ParameterError: there is none here.
    """
    known = {known.lower(): known for known in Registry.GetAvailableApplications()}
    if name.lower() not in known:
        raise ParameterError(
            "There is no application {name!r} here: run that step with OTB. The applications here are: {known}.",
            name=name,
            known=", ".join(known.values()),
        )
    return known[name.lower()]


class Registry:
    """The applications."""

    @staticmethod
    def GetAvailableApplications() -> tuple[str, ...]:
        """Return their names."""
        return (*known_applications(), ReadImageInfo.__name__)

    @staticmethod
    def CreateApplication(name: str) -> Application:
        """Return the application called `name`.

        Raises:
            ParameterError: there is none here. (OTB returns None, which a script then stumbles over.)
        """
        return ReadImageInfo() if call_name(name) == ReadImageInfo.__name__ else Application(name)
