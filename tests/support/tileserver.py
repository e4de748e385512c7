"""A server of map tiles on the loopback interface, whose pixels say where they lie."""

from __future__ import annotations

import contextlib
import struct
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import numpy as np

TILE = 256
WORLD = 20037508.342789244
"""Half of the width of the world in EPSG:3857."""

Tile = tuple[int, int, int]
"""Zoom level, column and row of a tile."""


def resolution(zoom: int) -> float:
    """Return the size of a pixel of a zoom level, in metres of EPSG:3857."""
    return 2 * WORLD / (TILE << zoom)


def tile_pixels(zoom: int, column: int, row: int) -> np.ndarray:
    """Return a tile as rows x columns x RGBA: the position in it as red and green, that of the tile as blue; opaque."""
    pixels = np.empty((TILE, TILE, 4), "uint8")
    pixels[..., 0] = np.arange(TILE)
    pixels[..., 1] = np.arange(TILE)[:, None]
    pixels[..., 2] = (16 * column + row) % 256
    pixels[..., 3] = 255
    return pixels


class TileServer:
    """Serves `/zoom/column/row.png` in a thread of its own; set the attributes to have it misbehave.

    Attributes:
        asked: the tiles that were asked for, in order; repeated ones are repeated.
        status: for a tile, the HTTP status of the answer; 200 for all by default.
        pixels: for a tile, its pixels.
        kind: the content type of answers with the status 200; no image is sent with another one than PNG's.
        held: set while requests are answered; cleared, they wait.
    """

    def __init__(self) -> None:
        self.asked: list[Tile] = []
        self.status: Callable[[Tile], int] = lambda tile: 200
        self.pixels: Callable[[int, int, int], np.ndarray] = tile_pixels
        self.kind = "image/png"
        self.held = threading.Event()
        self.held.set()
        self._token = uuid.uuid4().hex  # QGIS keeps tiles by their address
        tiles = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                zoom, column, row = (int(part) for part in self.path.partition(".")[0].split("/")[-3:])
                tiles.asked.append((zoom, column, row))
                tiles.held.wait()
                status = tiles.status((zoom, column, row))
                body = (
                    png(tiles.pixels(zoom, column, row))
                    if status == 200 and tiles.kind == "image/png"
                    else b"<no tile>"
                )
                self.send_response(status)
                self.send_header("Content-Type", tiles.kind if status == 200 else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # the client has given up
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True

    def source(self, lowest: int = 0, highest: int = 19) -> str:
        """Return the source of a layer of QGIS's provider `wms`."""
        address = quote(f"http://127.0.0.1:{self.http.server_port}/{self._token}/{{z}}/{{x}}/{{y}}.png", safe=":/{}")
        return f"type=xyz&url={address}&zmin={lowest}&zmax={highest}"


@contextmanager
def serving_tiles() -> Iterator[TileServer]:
    """Yield a running server, which is stopped at the end."""
    server = TileServer()
    thread = threading.Thread(target=server.http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.held.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def png(pixels: np.ndarray) -> bytes:
    """Return rows x columns x RGBA of bytes as a PNG file."""
    rows, columns = pixels.shape[:2]
    lines = b"".join(b"\0" + pixels[row].tobytes() for row in range(rows))
    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
