"""What servers reply to the requests of a layer: a provider leaves the pixels of a failed one transparent, and says nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from qgis.core import QgsNetworkAccessManager, QgsNetworkReplyContent
from qgis.PyQt.QtCore import QCoreApplication, QThread
from qgis.PyQt.QtNetwork import QNetworkReply, QNetworkRequest

from ..core.phrases import Phrase

_NOTHING_THERE = (204, 404, 410)
"""Statuses by which a server says that it has no such tile."""

_TEXTS = ("text/", "application/json", "application/xml", "application/vnd.ogc.se_xml")
_DELAY = 0.2  # seconds that a reply may take from the thread that loads it to ours


class Replies:
    """Hears of the replies to a layer's requests.

    QGIS's managers of other threads pass theirs on to that of the main thread; which thread loads tiles depends on the
    version.
    """

    def __init__(self, source: str, main: QgsNetworkAccessManager) -> None:
        """Prepare to hear of the replies from the hosts that a layer's source names; `main` is the main thread's manager."""
        self._source, self._main = unquote(source), main
        self._lock = threading.Lock()
        self._missing: set[str] = set()
        self._said: dict[str, str] = {}

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen until the context ends."""
        managers = {id(one): one for one in (self._main, QgsNetworkAccessManager.instance())}.values()
        for manager in managers:
            manager.finished[QgsNetworkReplyContent].connect(self._hear)
        try:
            yield
        finally:
            for manager in managers:
                manager.finished[QgsNetworkReplyContent].disconnect(self._hear)

    @property
    def missing(self) -> int:
        """Number of addresses for which the server has nothing."""
        with self._lock:
            return len(self._missing)

    def forget(self) -> None:
        """Forget the failures: their requests are sent again."""
        with self._lock:
            self._said.clear()

    def failures(self) -> list[str]:
        """Return why requests failed since `forget`, other than for lack of a tile."""
        with self._lock:
            return [said for said in self._said.values() if said]

    def explained(self) -> bool:
        """Return whether the server has said since `forget` that it has no such tile, and nothing else failed."""
        with self._lock:
            return bool(self._said) and not any(self._said.values())

    def settle(self) -> None:
        """Wait for replies that are on their way from another thread."""
        in_main_thread = QThread.currentThread() == QCoreApplication.instance().thread()
        end = time.monotonic() + _DELAY
        while time.monotonic() < end:
            if in_main_thread:
                QCoreApplication.processEvents()
            time.sleep(0.01)

    def _hear(self, reply: QgsNetworkReplyContent) -> None:
        address = reply.request().url()
        host = str(address.host())
        if ".".join(host.split(".")[-2:]) not in self._source:
            return
        status = reply.attribute(QNetworkRequest.Attribute.HttpStatusCodeAttribute)
        said = _failure(reply, host, status)
        with self._lock:
            if status in _NOTHING_THERE:
                self._missing.add(str(address.toString()))
                self._said[str(address.toString())] = ""
            elif said:
                self._said[str(address.toString())] = said
            else:
                self._said.pop(str(address.toString()), None)


def _failure(reply: Any, host: str, status: int | None) -> str:
    """Return why a request failed, without its address, which may hold a key; empty where it did not."""
    error = reply.error()
    if error == QNetworkReply.NetworkError.NoError:
        kind = bytes(reply.rawHeader(b"Content-Type")).decode("latin-1").lower()
        return (
            Phrase("{host} sends {kind} instead of an image", host=host, kind=kind)
            if status == 200 and kind.startswith(_TEXTS)
            else ""
        )
    if status:
        return Phrase("{host} answers with HTTP status {status}", host=host, status=status)
    if error in (QNetworkReply.NetworkError.OperationCanceledError, QNetworkReply.NetworkError.TimeoutError):
        return Phrase(
            "{host} does not answer within {timeout:g} s", host=host, timeout=QgsNetworkAccessManager.timeout() / 1000
        )
    return Phrase("{host} cannot be reached (network error {number})", host=host, number=_number(error))


def _number(error: Any) -> int:
    return int(getattr(error, "value", error))
