"""What can go wrong, under one root, and how a message names a parameter.

A message names value, cause and cure. It is a literal, which is translated as a whole, or a template and its values
(`core.phrases`): never an f-string, which nobody could translate. The parts below the operations know no key of a form or of
a command line: they name a field of the parameters, by `field("out_nodata")`, and whoever shows the message says it in the
words of its reader (the label in a dialog, the key elsewhere), by `worded`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .phrases import Phrase, plain

_BEGIN, _END = "\ue000", "\ue001"  # of Unicode's private use area: in no text of a user
_MENTION = re.compile(f"{_BEGIN}([^{_END}]*){_END}")


def field(name: str, of: str = "", number: int = 0) -> str:
    """Return a mention of a parameter, to be put into a message.

    Args:
        name: the field of the parameters' dataclass, such as `out_nodata`.
        of: for parameters of which there is a group for each source, the field that holds the groups: `sources`.
        number: of the group, from 1.
    """
    return f"{_BEGIN}{of}[{number}].{name}{_END}" if of else f"{_BEGIN}{name}{_END}"


def worded(message: str, word: Callable[[str], str]) -> str:
    """Return a message with each mention of a parameter replaced.

    Args:
        message: with any number of mentions, or none; of a phrase, the values are worded.
        word: from a mention's path (`out_nodata`, `sources[2].il`) to what its reader calls it.
    """
    if isinstance(message, Phrase):
        return message.with_texts(lambda text: worded(text, word))
    return _MENTION.sub(lambda mention: word(mention[1]), message)


def as_key(path: str) -> str:
    """Return a mention's path as a key: `out_nodata` and `=out.nodata` are OUT_NODATA, `sources[2].il` is SOURCE2_IL."""
    return re.sub(r"s\[(\d+)\]\.", r"\1_", path).lstrip("=").replace(".", "_").upper()


class _Worded(type):
    """Lets errors be made of a template and its values."""

    def __call__(cls, *arguments: Any, **values: Any) -> Any:
        return super().__call__(Phrase(*arguments, **values)) if values else super().__call__(*arguments)


class OtbtfError(Exception, metaclass=_Worded):
    """An error that the user can correct; the message says how.

        raise RasterError("The image {path} has {bands} bands: choose one with 3.", path=path, bands=bands)

    The message is a literal without values, a phrase, or the template of a phrase and its values.
    """

    # No __init__ at run time: TensorFlow's autograph only makes errors again whose constructor is that of Exception.
    if TYPE_CHECKING:

        def __init__(self, message: str = "", /, **values: Any) -> None: ...

    @property
    def message(self) -> str:
        """The phrase with its mentions of parameters; `str(error)` has their keys instead."""
        return plain(self.args[0] if isinstance(self.args[0], str) else str(self.args[0])) if self.args else plain("")

    @property
    def fields(self) -> tuple[str, ...]:
        """The parameters that the message names, as paths of fields."""
        return tuple(_MENTION.findall(self.message))

    @property
    def phrase(self) -> str:
        """The text as `str(error)` has it, but translatable."""
        return worded(self.message, as_key)

    def __str__(self) -> str:
        return str(self.phrase)


class ParameterError(OtbtfError):
    """A parameter is unknown, missing, or has a value that cannot be right."""


class RasterError(OtbtfError):
    """A raster cannot be opened, read, created or written."""


class RecordsError(OtbtfError):
    """TFRecords, or the descriptions beside them, cannot be read or written."""


class VectorError(OtbtfError):
    """A vector layer cannot be opened, read, created or written."""


class NothingInsideError(ParameterError, VectorError):
    """No feature, point or labelled pixel lies where the image has data, or nothing of it has.

    In a sum over many images, this one adds nothing.
    """


class ModelError(OtbtfError):
    """A model cannot be loaded, is not trusted, or does not fit its inputs."""


class TrainingError(OtbtfError):
    """Training cannot continue; what it has reached is kept."""


class ClassifierError(OtbtfError):
    """A classifier cannot be read or written, is not trusted, or does not fit its features."""


class EngineError(OtbtfError):
    """The engine (the Python process that runs TensorFlow) is missing, broken or has died."""


class Cancelled(Exception):
    """The user asked to stop. Not an error, and not an OtbtfError: nobody may swallow it."""
