"""The kinds of keys: each reads its values, from text or typed, and says what it takes and what its values name."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, ClassVar

from ..base.addresses import masked
from ..errors import ParameterError, field
from ..phrases import Phrase
from .clusteraddress import cluster_address, names_file
from .relativepaths import absolute_file, absolute_path, absolute_source, with_paths


class Content(enum.Enum):
    """What the path in a value leads to."""

    RASTER = "raster"
    LAYER = "layer"
    FILE = "file"
    FOLDER = "folder"


@dataclass(frozen=True)
class Key:
    """One parameter of an operation, as the user meets it.

    Attributes:
        name: OTBTF's key (`source1.rfieldx`), or our own in the same style.
        kind: what it holds.
        label: a short noun phrase (for a switch, an imperative), shown beside the input.
        help: one or two sentences: meaning, unit, default where `default` does not say it.
        default: the value used when it is not given; None means "not given".
        required: True where leaving it out is an error.
        choices: the words of a choice.
        minimum, maximum: inclusive bounds of a number.
        advanced: True to fold it away in the dialog; of an output, steps of a graphical model can read it, but it cannot be
            a result of the model.
        section: the title of its section in forms, documentation and help: one of `sections.SECTIONS`.
        of: for a field, the key of its vector.
        file_filter: for a file, a filter as Qt writes it.
        geometry: for a layer, `point`, `line`, `polygon` or empty for any; for documentation and the choice of layers
            only, core checks the data itself.
        created: for an output that may be left out, True where dialogs offer to make it, as reports that the results
            viewer shows.
        on_map: for a raster to write, False where it is no map, so that QGIS does not add it to the project.
        kept_as: for an output that later runs need, as a trained model, the name that dialogs suggest for it, outside
            temporary folders; empty where they suggest a temporary one.
        suggested: the value that a dialog begins with where one must be given.
        in_otbtf: what OTBTF takes where the key is not given, as text, if that is something else than here; command lines
            and OTB's Python modules follow it.
        group: number of the source the key belongs to (1, 2, ...), 0 for the operation's own.
    """

    name: str
    kind: Kind
    label: str
    help: str
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    advanced: bool = False
    section: str = ""
    of: str = ""
    file_filter: str = ""
    geometry: str = ""
    created: bool = False
    on_map: bool = True
    kept_as: str = ""
    suggested: Any = None
    in_otbtf: str = ""
    group: int = 0

    @property
    def parameter(self) -> str:
        """The name of the Processing parameter: upper case, dots to underscores."""
        return parameter_name(self.name)

    @property
    def mention(self) -> str:
        """A mention of this parameter, to be put into a message; see `core.errors.field`."""
        return field(f"={self.name}")

    def read(self, value: Any) -> Any:
        """Return a value as the type of the key's kind; None where an empty text means not given.

        Raises:
            ParameterError: the value cannot be read as that kind, or is out of bounds.
        """
        return self.kind.read(self, value)


def parameter_name(key: str) -> str:
    """`source1.rfieldx` -> `SOURCE1_RFIELDX`."""
    return key.upper().replace(".", "_")


class Kind:
    """A kind of key.

    Attributes:
        word: its name in help pages.
        content: what the paths in its values lead to; None where it holds none.
        is_output: whether the operation writes what it names.
        is_list: whether its values are tuples.
        joins_lists: whether several words are one value.
    """

    word: ClassVar[str]
    content: ClassVar[Content | None] = None
    is_output: ClassVar[bool] = False
    is_list: ClassVar[bool] = False
    joins_lists: ClassVar[bool] = False

    def read(self, key: Key, value: Any) -> Any:
        """Return a value as this kind's type; see `Key.read`."""
        return None if isinstance(value, str) and not value.strip() else self._typed(key, value)

    def _typed(self, key: Key, value: Any) -> Any:
        return value if isinstance(value, str) else str(value)

    def of_words(self, key: Key, words: Sequence[str]) -> Any:
        """Return the value that the words after a key on a command line stand for.

        Raises:
            ParameterError: they are several, and the kind takes one.
        """
        if len(words) > 1:
            raise ParameterError(
                "-{key} takes one value, but {words_count} are given ({words}): put quotes around a value with spaces.",
                key=key.name,
                words_count=len(words),
                words=masked(" ".join(words)),
            )
        return words[0]

    def stands_alone(self, key: Key) -> bool:
        """Return whether the key may stand on a command line without a value, which switches it on."""
        return False

    def each(self, value: Any, change: Callable[[Any], Any]) -> Any:
        """Return a value with `change` applied to each of its items."""
        return change(value)

    def absolute(self, value: Any) -> Any:
        """Return a value with the paths in it absolute, as seen from the current folder."""
        return value

    def takes(self, key: Key, quote: str = "") -> str:
        """Return in a few words what the key takes; words to write as they are stand between `quote`s."""
        return self.word


# ------------------------------------------------------------------- sources


class _Several(Kind):
    """A list: its values are tuples."""

    is_list = True

    def read(self, key: Key, value: Any) -> Any:
        single = isinstance(value, (str, Mapping)) or not isinstance(value, Iterable)
        return tuple(item for item in ([value] if single else value) if item != "")

    def of_words(self, key: Key, words: Sequence[str]) -> Any:
        return tuple(words)

    def each(self, value: Any, change: Callable[[Any], Any]) -> Any:
        items = value if isinstance(value, (list, tuple, Iterator)) else [value]
        return tuple(change(item) for item in items)


class _Source(Kind):
    """What GDAL or OGR opens: a path, or a description of it."""

    def _typed(self, key: Key, value: Any) -> Any:
        return value

    def absolute(self, value: Any) -> Any:
        return with_paths(absolute_source, value)


class Raster(_Source):
    """A source that GDAL opens: a text or a `RasterSource`; in a script a data set or an array."""

    word = "raster"
    content = Content.RASTER


class Rasters(_Several, Raster):
    """Several of them, in the order given."""

    word = "rasters"


class Vector(_Source):
    """A layer that OGR opens: a text, `path|layername=name` included, or a `VectorSource`."""

    word = "vector"
    content = Content.LAYER


class Vectors(_Several, Vector):
    """Several of them, in the order given."""

    word = "vectors"


class Field(Kind):
    """The name of a field of a layer."""

    word = "field"


class Fields(_Several):
    """Names of fields: a list, or a text that semicolons or spaces separate."""

    word = "fields"

    def read(self, key: Key, value: Any) -> Any:
        if isinstance(value, str):
            value = [name for name in map(str.strip, value.split(";" if ";" in value else None)) if name]
        return super().read(key, value)


class File(Kind):
    """An existing file; for a model, a folder too."""

    word = "file"
    content = Content.FILE

    def absolute(self, value: Any) -> Any:
        return with_paths(absolute_file, value)


class Files(_Several, File):
    """Several of them, in the order given."""

    word = "files"


class Folder(File):
    """An existing folder."""

    word = "folder"
    content = Content.FOLDER


# -------------------------------------------------------------------- values


class Text(Kind):
    """A text, which may be empty; several words are one text."""

    word = "text"
    joins_lists = True

    def read(self, key: Key, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return " ".join(str(item) for item in value)
        return self._typed(key, value)

    def of_words(self, key: Key, words: Sequence[str]) -> Any:
        return " ".join(words)


class Cluster(Kind):
    """The address of a cluster, as a text; in a script also an executor of `concurrent.futures`."""

    word = "cluster"

    def _typed(self, key: Key, value: Any) -> Any:
        if isinstance(value, Executor):
            return value
        if not isinstance(value, str):
            raise ParameterError(
                "{mention} is {value!r}, but must be an address, or an executor of concurrent.futures.",
                mention=key.mention,
                value=value,
            )
        cluster_address(value)
        return value.strip()

    def absolute(self, value: Any) -> Any:
        return absolute_path(value.strip()) if isinstance(value, str) and names_file(value) else value


class Number(Kind):
    """A number; `nan` and `inf` are numbers too, but `nan` is not within bounds."""

    word = "number"

    def _typed(self, key: Key, value: Any) -> Any:
        number = _float(value)
        if number is None:
            raise ParameterError("{key} is {value!r}, but must be a number.", key=key.mention, value=value)
        return self._bounded(key, number)

    def _bounded(self, key: Key, value: Any) -> Any:
        if key.minimum is not None and not value >= key.minimum:
            raise ParameterError(
                "{key} is {value:g}, but must be at least {minimum:g}.",
                key=key.mention,
                value=value,
                minimum=key.minimum,
            )
        if key.maximum is not None and not value <= key.maximum:
            raise ParameterError(
                "{key} is {value:g}, but must be at most {maximum:g}.",
                key=key.mention,
                value=value,
                maximum=key.maximum,
            )
        return value

    def takes(self, key: Key, quote: str = "") -> str:
        bounds = [("from", key.minimum), ("to", key.maximum)]
        told = [f"{word} {int(bound) if bound == int(bound) else bound}" for word, bound in bounds if bound is not None]
        return " ".join([self.word, *told])


class Integer(Number):
    """A whole number."""

    word = "integer"

    def _typed(self, key: Key, value: Any) -> Any:
        number = _float(value)
        if number is None or not number.is_integer():
            raise ParameterError("{key} is {value!r}, but must be a whole number.", key=key.mention, value=value)
        return self._bounded(key, value if isinstance(value, int) else int(number))


def _float(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


_BOOLEANS = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}


class Boolean(Kind):
    """A yes or no."""

    word = "boolean"

    def _typed(self, key: Key, value: Any) -> Any:
        found = _BOOLEANS.get(str(value).strip().lower())
        if found is None:
            raise ParameterError(
                "{key} is {value!r}, but must be on or off (true, false, 1, 0).", key=key.mention, value=value
            )
        return found

    def of_words(self, key: Key, words: Sequence[str]) -> Any:
        return super().of_words(key, words or ["on"])

    def stands_alone(self, key: Key) -> bool:
        return True


_SWITCHED = {"true": "on", "1": "on", "false": "off", "0": "off"}


class Choice(Kind):
    """One word of several; those with on and off are booleans in OTBTF."""

    word = "choice"

    def _typed(self, key: Key, value: Any) -> Any:
        if isinstance(value, bool) and self.stands_alone(key):
            value = "on" if value else "off"
        if value not in key.choices:
            raise ParameterError(
                "{key} is {value!r}, but must be one of: {choices}.",
                key=key.mention,
                value=value,
                choices=", ".join(key.choices),
            )
        return value

    def of_words(self, key: Key, words: Sequence[str]) -> Any:
        if not self.stands_alone(key):
            return super().of_words(key, words)
        word = super().of_words(key, words or ["on"])
        return _SWITCHED.get(word.lower(), word)

    def stands_alone(self, key: Key) -> bool:
        return {"on", "off"} <= set(key.choices)

    def takes(self, key: Key, quote: str = "") -> str:
        return Phrase("one of {choices}", choices=", ".join(f"{quote}{word}{quote}" for word in key.choices))


class Extent(Kind):
    """A map extent: `xmin,xmax,ymin,ymax [authid]`."""

    word = "extent"


# ------------------------------------------------------------------- outputs


class _Output(Kind):
    """A path to write to."""

    is_output = True

    def absolute(self, value: Any) -> Any:
        return with_paths(absolute_path, value)


class RasterOut(_Output):
    """A raster to write."""

    word = "raster output"
    content = Content.RASTER


class VectorOut(_Output):
    """A layer to write."""

    word = "vector output"
    content = Content.LAYER


class FileOut(_Output):
    """A file to write."""

    word = "file output"
    content = Content.FILE


class FolderOut(_Output):
    """A folder to write."""

    word = "folder output"
    content = Content.FOLDER


RASTER, RASTERS, VECTOR, VECTORS = Raster(), Rasters(), Vector(), Vectors()
FIELD, FIELDS, FILE, FILES, FOLDER = Field(), Fields(), File(), Files(), Folder()
TEXT, INTEGER, NUMBER, BOOLEAN, CHOICE, EXTENT = Text(), Integer(), Number(), Boolean(), Choice(), Extent()
CLUSTER = Cluster()
RASTER_OUT, VECTOR_OUT, FILE_OUT, FOLDER_OUT = RasterOut(), VectorOut(), FileOut(), FolderOut()
