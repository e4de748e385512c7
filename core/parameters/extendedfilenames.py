"""OTB's extended filenames, `image.tif?&skipcarto=true` and `map.tif?&box=0:0:100:100&gdal:co:COMPRESS=DEFLATE`.

The options of an output become values of other keys: `out.box`, `out.co`, `out.nodata`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..base.addresses import address_of, masked
from ..errors import ParameterError
from ..phrases import Phrase
from .kinds import Key

_STRICT = re.compile(r"(?s)(?P<file>.*?)\?&(?P<options>.*)")
_LENIENT = re.compile(r"(?s)(?P<file>.*?)\?&?(?P<options>.*)")
_READING = ("skipcarto", "skipgeom", "skiprpctag", "geom")
_WRITING = ("writegeom", "writerpctags", "multiwrite", "srsvalidity")

Options = list[tuple[str, str]]


def split(word: str, lenient: bool = False) -> tuple[str, Options]:
    """Return the file of an extended filename, and its options: names and values.

    Args:
        word: the filename.
        lenient: let options begin with `?` alone, as OTB does for local files. An address keeps its query.
    """
    match = (_LENIENT if lenient and not address_of(word) else _STRICT).fullmatch(word)
    if not match:
        return word, []
    parts = [part.partition("=") for part in match["options"].split("&") if part]
    return match["file"], [(name, value) for name, _, value in parts]


def check_reading(
    label: str, file: str, options: Options, followed: Collection[str], cure: str, notes: list[str]
) -> dict[str, str]:
    """Return the options for reading a file that are to be followed.

    Args:
        label: of the parameter, for messages.
        file: what was split off.
        options: as split.
        followed: names of options that the caller can follow, among `bands` and `skipcarto`.
        cure: what to do instead of an option that changes pixels and is not followed.
        notes: receives what is left out, and why.

    Raises:
        ParameterError: an option changes pixels, and is not followed.
    """
    for name, value in options:
        if name in followed:
            continue
        if name not in _READING:
            raise ParameterError(
                "{label}: {name}={value} of {file} is not supported: {cure}",
                label=label,
                name=name,
                value=value,
                file=masked(file),
                cure=cure,
            )
        notes.append(
            Phrase(
                "{name}={value} of {file} is ignored: georeferencing is that of GDAL.",
                name=name,
                value=value,
                file=masked(file),
            )
        )
    return {name: value for name, value in options if name in followed}


def output_values(
    label: str, key: Key, words: Sequence[str], known: Mapping[str, Key], notes: list[str], lenient: bool = False
) -> dict[str, Any]:
    """Return the values that a raster to write stands for, by key.

    Args:
        label: of the parameter, for messages.
        key: of the raster to write.
        words: the extended filename and, if given, the pixel type.
        known: all keys of the operation.
        notes: receives what is left out, and why.
        lenient: see `split`.

    Raises:
        ParameterError: there are more than two words, or an option that cannot be followed.
    """
    if len(words) > 2:
        raise ParameterError(
            "{label} takes a file and a pixel type, but {words_count} values are given ({words}): put quotes around "
            "a file name with spaces.",
            label=label,
            words_count=len(words),
            words=" ".join(words),
        )
    file, options = split(words[0], lenient)
    values: dict[str, Any] = {key.name: file}

    def follow(what: str, value: str, given: str) -> None:
        if f"{key.name}.{what}" not in known:
            raise ParameterError(
                "{label}: {given} is not supported, because this output has no {what}: remove it.",
                label=label,
                given=given,
                what=what,
            )
        values[f"{key.name}.{what}"] = value

    if len(words) == 2:
        follow("pixeltype", words[1], words[1])
    creation = []
    for name, value in options:
        if name == "box":
            follow("box", value, f"box={value}")
        elif name.startswith("gdal:co:"):
            creation.append(f"{name[len('gdal:co:') :]}={value}")
        elif name == "nodata" and f"{key.name}.nodata" in known:
            values[f"{key.name}.nodata"] = value
        elif name == "nodata":
            notes.append(
                Phrase(
                    "nodata={value} of {file} is ignored: this output declares its own no-data value.",
                    value=value,
                    file=file,
                )
            )
        elif name.startswith("streaming:"):
            notes.append(
                Phrase(
                    "{name}={value} of {file} is ignored: tiles are planned from the memory budget.",
                    name=name,
                    value=value,
                    file=file,
                )
            )
        elif name in _WRITING:
            notes.append(
                Phrase(
                    "{name}={value} of {file} is ignored: it does not change the pixels.",
                    name=name,
                    value=value,
                    file=file,
                )
            )
        else:
            raise _unknown(label, name, value)
    if creation and f"{key.name}.co" in known:
        values[f"{key.name}.co"] = "|".join(creation)
    elif creation:
        notes.append(
            Phrase(
                "{creation} of {file} is ignored: this output has no creation options.",
                creation=", ".join(creation),
                file=file,
            )
        )
    return values


def _unknown(label: str, name: str, value: str) -> ParameterError:
    names = ("box", "gdal:co:", "nodata", "streaming:type", *_WRITING)
    near = difflib.get_close_matches(name, names, n=1)
    if name == "bands":
        hint = Phrase(
            "Choose the model's outputs in output.names, or extract the bands afterwards (gdal_translate -b)."
        )
    else:
        hint = Phrase("Did you mean {near}?", near=near[0]) if near else Phrase("Remove it.")
    return ParameterError(
        "{label}: the option {name}={value} of the file name is not supported. {hint}",
        label=label,
        name=name,
        value=value,
        hint=hint,
    )
