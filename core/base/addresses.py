"""Addresses of files on the web: recognising them, and showing them without what is secret in them."""

from __future__ import annotations

import re
from urllib.parse import unquote

from ..phrases import Phrase

_ADDRESS = re.compile(r"(?:/vsicurl/)?(https?://.*)", re.IGNORECASE | re.DOTALL)
_ENCODED = re.compile(r"/vsicurl\?[^\s'\"]*?url=([^\s'\"&]+)[^\s'\"]*")
_USER = re.compile(r"(https?://)[^\s/?#@]*(?:@[^\s/?#@]*)*@", re.IGNORECASE)
_QUERY = re.compile(r"(?<=[?&;])([\w.~%-]+)=([^\s&;'\"<>]+)")
_SECRET_NAME = re.compile(
    r"sig|token|key|secret|pass|pwd|auth|credential|session|sas|jwt|bearer|login|user", re.IGNORECASE
)
_RANDOM_VALUE = re.compile(r"(?=[^\s]*\d)(?=[^\s]*[a-zA-Z])[\w.~%+/=-]{24,}")
HIDDEN = "***"


def address_of(source: object) -> str:
    """Return the http(s) address in a raster's name (without GDAL's `/vsicurl/`); empty if there is none."""
    match = _ADDRESS.fullmatch(source) if isinstance(source, str) else None
    return match[1] if match else ""


def leads_to_server(name: str) -> bool:
    """Return whether a name for GDAL is one of something on a server, or of a part of it; no XML is."""
    if name.lstrip().startswith("<"):
        return False
    return "://" in re.sub(r"vrt://", "", name, count=1, flags=re.IGNORECASE) or "/vsicurl" in name


def masked(text: str) -> str:
    """Return a text for a log or a message: user names, passwords, keys and signatures in addresses become `***`.

    Hidden are `user:password@`, and values in a query whose name says that they are secret (`token`, `api_key`,
    `X-Amz-Signature`) or that are long and look drawn at random. GDAL's `/vsicurl?...&url=` becomes the plain address.
    """
    if isinstance(text, Phrase):
        return text.with_texts(masked)
    text = _ENCODED.sub(lambda match: unquote(match[1]), text)
    text = _USER.sub(rf"\1{HIDDEN}@", text)
    return _QUERY.sub(_masked_value, text) if "://" in text else text


def _masked_value(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    secret = _SECRET_NAME.search(name) or _RANDOM_VALUE.fullmatch(value)
    return f"{name}={HIDDEN}" if secret else match[0]
