"""Texts of vector layers, and their encoding.

GDAL decodes what it knows the encoding of. Other bytes that are no UTF-8 reach Python as lone surrogates (PEP 383),
with which nothing can be written, compared or shown.
"""

from __future__ import annotations

import os
from typing import Any

from ..errors import VectorError
from ..phrases import Phrase


def readable(text: str, path: str, what: str) -> str:
    """Return a text that OGR gave.

    Args:
        text: the text.
        path: the file, for the message.
        what: what the text is, for the message.

    Raises:
        VectorError: the file does not tell how its bytes are to be read.
    """
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise VectorError(
            "In {path}, {what} is {text!r}, which is not UTF-8, and its encoding is unknown. {cure}",
            path=path,
            what=what,
            text=shown(text),
            cure=_cure(path),
        ) from None
    return text


def field_text(feature: Any, index: int, path: str) -> str:
    """Return a field of an OGR feature as text; empty where it is null.

    Raises:
        VectorError: the file does not tell how its bytes are to be read.
    """
    text = str(feature.GetFieldAsString(index))
    if text.isascii():
        return text
    name = shown(feature.GetFieldDefnRef(index).GetName())
    return readable(text, path, Phrase("the field {name} of feature {get_fid}", name=name, get_fid=feature.GetFID()))


def shown(text: str) -> str:
    """Return a text for a message, with question marks for what cannot be read."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _cure(path: str) -> str:
    stem, extension = os.path.splitext(path)
    if extension.lower() in (".shp", ".dbf"):
        return Phrase(
            "Write the name of its encoding, such as ISO-8859-1, into a file {stem}.cpg beside it, or append "
            "|option:ENCODING=ISO-8859-1 to the path; in QGIS, set it in the layer's properties.",
            stem=os.path.basename(stem),
        )
    return Phrase("Save the layer again in the encoding UTF-8.")
