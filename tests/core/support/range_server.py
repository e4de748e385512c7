"""A loopback HTTP server for rasters that counts what it is asked, and misbehaves where it is told to."""

from __future__ import annotations

import contextlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Asked:
    """One request: its method, its path with the query, the range asked for and the answer's status."""

    method: str
    path: str
    range: tuple[int, int] | None
    status: int


@dataclass
class Served:
    """What the server does with one path.

    Attributes:
        content: the bytes.
        etag: the entity tag, none if empty.
        modified: the date, none if empty.
        status: answered instead of the content, if not 0.
        busy: so many requests are answered with 503 first; negative: all.
        ranges: whether ranges are obeyed.
        stalls: so many bodies stop half-way without an end, until the server stops.
        cut: so many bodies end half-way, as when a connection breaks; negative: all.
        heads: whether HEAD is allowed, and not refused with 403 as for a signed address.
        password: `user:password` in base 64, which requests must give.
    """

    content: bytes
    etag: str = ""
    modified: str = ""
    status: int = 0
    busy: int = 0
    ranges: bool = True
    stalls: int = 0
    cut: int = 0
    heads: bool = True
    password: str = ""


@dataclass
class RangeServer:
    """Serves on a free port while used as a context manager.

    Attributes:
        files: what is served, by path without the query.
        asked: all requests so far.
    """

    files: dict[str, Served] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> RangeServer:
        lock = threading.Lock()
        self._stop = threading.Event()

        class Handler(_Handler):
            files, asked, guard, stop = self.files, self.asked, lock, self._stop

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def address(self, path: str, user: str = "") -> str:
        """Return the address of a path, with `user:password` where given."""
        return f"http://{user}{'@' if user else ''}127.0.0.1:{self._server.server_port}{path}"

    def add(self, path: str, content: bytes, **more: object) -> str:
        """Serve `content`; return its address."""
        self.files[path] = Served(content, **more)  # type: ignore[arg-type]
        return self.address(path)

    def gets(self) -> list[Asked]:
        """Return the requests that were answered with content."""
        return [one for one in self.asked if one.method == "GET" and one.status in (200, 206)]

    def bytes_sent(self) -> int:
        """Return how many bytes were asked for by ranges."""
        return sum(one.range[1] - one.range[0] + 1 for one in self.gets() if one.range)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: dict[str, Served]
    asked: list[Asked]
    guard: threading.Lock
    stop: threading.Event

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # who asked has gone
            super().handle()

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: bool) -> None:
        served = self.files.get(urlsplit(self.path).path)
        with self.guard:
            status = self._status(served, body)
            first, last = self._range(served) if served else (None, 0)
            if served and status == 200 and first is not None and served.ranges:
                status = 206
            span = None if first is None else (first, last)
            self.asked.append(Asked(self.command, self.path, span, status))
            cut = bool(served and served.cut and body and status in (200, 206))
            if served and cut:
                served.cut -= 1
            stalls = bool(served and served.stalls and body and status in (200, 206))
            if served and stalls:
                served.stalls -= 1
        content = b""
        if served and status in (200, 206):
            content = served.content[first : last + 1] if status == 206 and first is not None else served.content
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        if status == 206 and served:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(served.content)}")
        if served and served.etag:
            self.send_header("ETag", served.etag)
        if served and served.modified:
            self.send_header("Last-Modified", served.modified)
        if served and served.ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self._send(content, cut, stalls)

    def _send(self, content: bytes, cut: bool, stalls: bool) -> None:
        half = len(content) // 2
        try:
            self.wfile.write(content[:half])
            self.wfile.flush()
            if stalls:
                self.stop.wait()
            if cut or stalls:
                self.close_connection = True
                return
            self.wfile.write(content[half:])
        except ConnectionError:
            self.close_connection = True  # who asked has gone: it does not want the rest

    def _status(self, served: Served | None, body: bool) -> int:
        if served is None:
            return 404
        if served.password and self.headers.get("Authorization") != f"Basic {served.password}":
            return 401
        if not body and not served.heads:
            return 403
        if served.busy:
            served.busy -= 1
            return 503
        return served.status or 200

    def _range(self, served: Served) -> tuple[int | None, int]:
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return None, 0
        end = len(served.content) - 1
        return int(match[1]), min(int(match[2]), end) if match[2] else end
