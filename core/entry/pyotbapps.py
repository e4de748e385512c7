"""Applications as pyotb calls them, for scripts for OTBTF; they change its import only.

    from otbtf_qgis.core import pyotb

    served = pyotb.TensorflowModelServe({"source1.il": ["image.tif"], "model.dir": "model"})
    served.write(out="map.tif", pixel_type="uint8", filename_extension="&gdal:co:COMPRESS=DEFLATE")

The applications are those of `core.otbApplication`. An application runs when its output is written or taken by another,
or at once where its output is among the parameters. Arithmetic with images (`pyotb.where`, `image <= 1`) is not here:
write it as an expression, `pyotb.BandMathX(il=[image], exp="...")`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ParameterError
from ..imagetools.imageinformation import information
from ..phrases import Phrase
from .otbmodule import Application, Image, call_name

__all__ = ["App", "Input", "get_nbchannels"]

EXPRESSION = Phrase("write it as an expression, pyotb.BandMathX(il=[image], exp='...'), or run that step with OTB")
"""What to do instead of arithmetic with images."""


class App(Application):
    """An application with its parameters."""

    def __init__(self, name: str, *given: Any, **keywords: Any) -> None:
        """Take the application called `name`.

        Args:
            name: the application.
            given: dictionaries of keys to values, or what its first input takes: paths, or other `App`s.
            keywords: further keys, with `_` for each dot.

        Raises:
            ParameterError: there is no such application; see `core.run` for what a run raises.
        """
        super().__init__(name)
        for values in given:
            named = values if isinstance(values, Mapping) else {self._first_raster(is_output=False): values}
            for key, value in named.items():
                self.SetParameterValue(key, value)
        spelled = {key.name.replace(".", "_"): key.name for key in self._known(keywords)}
        for word, value in keywords.items():
            self.SetParameterValue(spelled.get(word, word), value)
        written = {key.name for key in self._known() if key.kind.is_output}
        if written & self._given.keys():
            self.ExecuteAndWriteOutput()

    def write(
        self,
        out: str | Mapping[str, str] = "",
        *,
        pixel_type: int | str | None = None,
        filename_extension: str = "",
        **keywords: str,
    ) -> None:
        """Compute the outputs and write them.

        Args:
            out: where the output called `out` goes, or a dictionary of outputs to paths.
            pixel_type: that of the outputs.
            filename_extension: OTB's options, such as `&gdal:co:COMPRESS=DEFLATE`.
            keywords: further outputs.

        Raises:
            ParameterError: no output is named; see `core.run` for the others.
        """
        paths = {**(out if isinstance(out, Mapping) else {"out": out} if out else {}), **keywords}
        if not paths:
            raise ParameterError("{self_} has no output path: add out='map.tif'.", self_=self.GetName())
        for key, path in paths.items():
            self.SetParameterValue(key, _extended(str(path), filename_extension.lstrip("?&")))
            if pixel_type is not None:
                self.SetParameterOutputImagePixelType(key, pixel_type)
        self.ExecuteAndWriteOutput()

    def __getitem__(self, key: str) -> Image:
        """Return an output by its key, as another application takes it.

        Raises:
            ParameterError: `key` is none; parts of an image are not taken so.
        """
        if not isinstance(key, str):
            raise ParameterError(
                "{self_}[{key!r}] is not supported: extract a part of an image with ExtractROI.",
                self_=self.GetName(),
                key=key,
            )
        return self.GetParameterOutputImage(key)

    def _arithmetic(self, other: Any) -> App:
        raise ParameterError(
            "Arithmetic with {self_} is not supported: {expression}.", self_=self.GetName(), expression=EXPRESSION
        )

    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __sub__ = __mul__ = __truediv__ = _arithmetic
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = _arithmetic


def _extended(path: str, options: str) -> str:
    return f"{path}{'&' if '?' in path else '?&'}{options}" if options else path


def Input(path: str) -> App:
    """Return an image as an application whose output is the image."""
    return App("ExtractROI", {"in": path})


def get_nbchannels(image: Any) -> int:
    """Return the number of bands of an image: a path, an `App` or an output of one.

    Raises:
        RasterError: it cannot be opened.
    """
    taken = image.output() if isinstance(image, Application) else image
    return int(information(taken.path() if isinstance(taken, Image) else str(taken))["numberbands"])


def __getattr__(name: str) -> Callable[..., App]:
    if not name[:1].isupper():
        raise AttributeError(f"pyotb.{name} is not supported. For arithmetic with images, {EXPRESSION}.")
    try:
        return functools.partial(App, call_name(name))
    except ParameterError as error:
        raise AttributeError(str(error)) from None
