"""A package index on loopback that serves tiny wheels, for tests of the installation."""

from __future__ import annotations

import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

from otbtf_qgis.core.machine import installing

# Distribution: its module.
PACKAGES = {
    "tensorflow": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "keras": "keras",
    "psutil": "psutil",
    "scikit-learn": "sklearn",
    "skops": "skops",
    "matplotlib": "matplotlib",
    "tqdm": "tqdm",
    "tensorboard": "tensorboard",
    "distributed": "distributed",
    "cryptography": "cryptography",
    "onnxruntime": "onnxruntime",
    "onnxruntime-gpu": "onnxruntime",
}
BOUNDS = Path(installing.__file__).with_name("constraints") / f"python{sys.version_info[0]}.{sys.version_info[1]}.txt"
VERSIONS = dict(line.split("<=") for line in BOUNDS.read_text().splitlines() if "<=" in line)
"""The versions that are served: the newest that the engine is known to work with."""

TOO_NEW = "99.0"
"""Served as well, and not to be taken."""


def wheel(name: str, version: str, code: str) -> bytes:
    """A wheel with the module that `PACKAGES` names, made of `code`."""
    stem = f"{name.replace('-', '_')}-{version}"
    files = {
        f"{PACKAGES[name]}/__init__.py": code,
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{stem}.dist-info/RECORD"] = "".join(f"{path},,\n" for path in files) + f"{stem}.dist-info/RECORD,,\n"
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()


class Index:
    """What the server serves; change it while it runs.

    Attributes:
        url: the address of the index.
        wheels: by distribution.
        hanging: the distribution whose download never ends.
        asked: set once the hanging download was asked for.
        proxied: what those who asked it as the proxy of http://packages.invalid gave for a password.
    """

    def __init__(self) -> None:
        self.url = ""
        self.wheels: dict[str, bytes] = {}
        self.hanging = ""
        self.asked = threading.Event()
        self.proxied: set[str] = set()
        self.reset()

    def reset(self, **code: str) -> None:
        """Serve every package, with other code for the modules named, and nothing hanging."""
        self.wheels = {
            name: wheel(name, VERSIONS[name], code.get(module, f"__version__ = {VERSIONS[name]!r}\n"))
            for name, module in PACKAGES.items()
        }
        self.hanging = ""
        self.asked.clear()
        self.proxied.clear()

    def save(self, folder: Path) -> None:
        """Write the wheels into a folder."""
        folder.mkdir()
        for name, content in self.wheels.items():
            (folder / f"{name.replace('-', '_')}-{VERSIONS[name]}-py3-none-any.whl").write_bytes(content)


@contextmanager
def serve() -> Iterator[Index]:
    """Serve an index until the block ends."""
    index = Index()
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path
            if path.startswith("http://packages.invalid/"):  # asked as a proxy
                index.proxied.add(self.headers.get("Proxy-Authorization", ""))
                path = path[len("http://packages.invalid") :]
            kind, _, name = path.strip("/").partition("/")
            name = name.split("/")[0]
            if name not in index.wheels:
                self.send_error(404)
            elif kind == "simple":
                files = [
                    f"{name.replace('-', '_')}-{version}-py3-none-any.whl" for version in (VERSIONS[name], TOO_NEW)
                ]
                links = "".join(f'<a href="/files/{name}/{file}">{file}</a>' for file in files)
                self._send(links.encode(), {"Content-Type": "text/html"})
            elif name == index.hanging:
                self._head(10_000_000, {})
                index.asked.set()
                ended.wait()
            else:
                self._send(index.wheels[name], {})

        def _head(self, length: int, headers: Mapping[str, str]) -> None:
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(length)}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.flush()

        def _send(self, body: bytes, headers: Mapping[str, str]) -> None:
            self._head(len(body), headers)
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield index
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
