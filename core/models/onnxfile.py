"""What an ONNX file must be before ONNX Runtime sees it.

An ONNX file is data in ONNX's operators: none of them touches files, the network or other code. What can do harm is what
the file names beside itself. The runtime reads the values of tensors from any file that the model names, and older ones
follow `../` out of its folder; operators of other domains are machine code that somebody has to load. Neither is ever
needed to trust a model, so `TRUST_MODEL` does not allow it.

What is left: a model can use up memory and time, compute nonsense, and meet a bug of the runtime.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import ModelError
from ..phrases import Phrase
from .modelfiles import check_whole, external_offence
from .onnxwalk import DamagedFile, ExternalData, OnnxContent, read_content

DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview", "com.microsoft"}
"""Domains whose operators are part of ONNX Runtime itself."""

_OTHER_FILES = {("com.microsoft", "EPContext")}
"""Operators of these domains that name a file, or hold machine code."""

_SHOWN = 5


def read_onnx(place: Path) -> OnnxContent:
    """Return what an ONNX file holds.

    Raises:
        ModelError: it cannot be read, or is none, or only a part of one.
    """
    check_whole(place, Phrase("an ONNX model"))
    try:
        content = read_content(place)
    except DamagedFile as error:
        raise _damaged(place, error.reason) from None
    except OSError as error:
        raise ModelError("{path} cannot be read: {reason}.", path=place, reason=error.strerror) from error
    if not content.graphs:
        raise _damaged(place, Phrase("it holds no graph"))
    if not content.opsets:
        raise _damaged(place, Phrase("it names no version of ONNX's operators"))
    return content


def _damaged(place: Path, reason: str) -> ModelError:
    return ModelError(
        "{path} is not an ONNX model, or is damaged: {reason}. Copy or export the model again.",
        path=place,
        reason=reason,
    )


def check_onnx(place: Path, content: OnnxContent) -> None:
    """Check that an ONNX file needs nothing but itself, the files in its folder and the operators of ONNX Runtime.

    Args:
        place: the file.
        content: what it holds.

    Raises:
        ModelError: see above; the message names what is refused or missing.
    """
    found = list(dict.fromkeys(_refused_files(place, content)))
    if found:
        raise ModelError(
            "The model {path} is not loaded, because it would read files outside its folder: {offences}. Export the model "
            "as a single file, or with its data beside it.",
            path=place,
            offences=_listed(found),
        )
    found = list(dict.fromkeys(_refused_operators(content)))
    if found:
        raise ModelError(
            "The model {path} is not loaded, because it needs operators that are not part of ONNX Runtime: {offences}. "
            "Export the model with standard operators only.",
            path=place,
            offences=_listed(found),
        )
    for item in content.external:
        _check_there(place, item)


def _refused_files(place: Path, content: OnnxContent) -> Iterator[str]:
    for item in content.external:
        offence = external_offence(place.parent, item.location)
        if offence is not None:
            yield Phrase(
                "{location} for the tensor {tensor} ({offence})",
                location=item.location,
                tensor=item.tensor or "?",
                offence=offence,
            )


def _refused_operators(content: OnnxContent) -> Iterator[str]:
    for (domain, operator), node in content.operators.items():
        known = domain in DOMAINS or (domain, operator) in content.functions
        if not known or (domain, operator) in _OTHER_FILES:
            name = f"{domain}.{operator}" if domain else operator
            yield Phrase("{operator} (node {node})", operator=name, node=node) if node else name


def _listed(offences: list[str]) -> str:
    more = Phrase("; and {more} more", more=len(offences) - _SHOWN) if len(offences) > _SHOWN else ""
    return Phrase("; ").join(offences[:_SHOWN]) + more


def _check_there(place: Path, item: ExternalData) -> None:
    """Check that a file that values are taken from is there, and whole.

    Raises:
        ModelError: it is not.
    """
    file = place.parent / item.location
    if not file.is_file():
        raise ModelError(
            "The model {path} keeps its weights in the file {file}, which does not exist. Copy it into the model's folder, "
            "under this name.",
            path=place,
            file=file,
        )
    check_whole(file, Phrase("the file of weights of the model {path}", path=place.name))
    if file.stat().st_size < item.end:
        raise ModelError(
            "The file {file} of the model {path} has {size} bytes, but the tensor {tensor} needs {end}: it is damaged. Copy "
            "it again.",
            file=file,
            path=place,
            size=file.stat().st_size,
            tensor=item.tensor or "?",
            end=item.end,
        )
