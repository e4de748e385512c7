"""Rasters at http(s) addresses: what is asked of the server, and what is said when it misbehaves."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal
from range_server import RangeServer

from otbtf_qgis.core.base.addresses import address_of, masked
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import RasterError
from otbtf_qgis.core.files import inputs
from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.rasters import remoterasters
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.registry import run

SIZE, BLOCK = 1024, 128
PIXELS = np.random.default_rng(3).integers(0, 60000, (SIZE, SIZE), dtype=np.uint16)
WINDOW = Box(300, 500, 40, 30)
EXPECTED = PIXELS[500:530, 300:340]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A tiled GeoTIFF without compression: where each block lies is known, and no checksum tells of wrong bytes."""
    path = tmp_path_factory.mktemp("remote") / "a.tif"
    options = ["TILED=YES", f"BLOCKXSIZE={BLOCK}", f"BLOCKYSIZE={BLOCK}"]
    data = gdal.GetDriverByName("GTiff").Create(str(path), SIZE, SIZE, 1, gdal.GDT_UInt16, options)
    data.SetGeoTransform((500000, 10, 0, 4000000, 0, -10))
    data.GetRasterBand(1).WriteRaster(0, 0, SIZE, SIZE, PIXELS.tobytes())
    data = None
    return path.read_bytes()


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer() as server:
        yield server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remoterasters, "RETRY_DELAY", 0.02)


@pytest.fixture(params=[False, True], ids=["errors returned", "errors raised"])
def exceptions(request: pytest.FixtureRequest) -> Iterator[None]:
    """GDAL's bindings as QGIS may have set them, either way."""
    before = gdal.GetUseExceptions()
    (gdal.UseExceptions if request.param else gdal.DontUseExceptions)()
    yield
    (gdal.UseExceptions if before else gdal.DontUseExceptions)()


def read(address: str) -> np.ndarray:
    return Stack([address]).read(WINDOW)[..., 0]


def refused(address: str) -> str:
    with pytest.raises(RasterError) as caught:
        read(address)
    return str(caught.value)


class TestReading:
    def test_gives_the_pixels(self, server: RangeServer, content: bytes) -> None:
        assert np.array_equal(read(server.add("/a.tif", content)), EXPECTED)

    def test_asks_only_for_the_blocks_it_needs(self, server: RangeServer, content: bytes) -> None:
        read(server.add("/a.tif", content))
        # The window lies in one block of 32 kB; GDAL asks in multiples of 16 kB, and 16 kB for the header.
        assert server.bytes_sent() <= 16384 + 4 * 16384
        assert {one.method for one in server.asked} == {"HEAD", "GET"}
        assert all(one.range for one in server.gets())

    def test_looks_for_no_other_file(self, server: RangeServer, content: bytes) -> None:
        read(server.add("/folder/a.tif", content))
        assert {one.path for one in server.asked} == {"/folder/a.tif"}

    @pytest.mark.parametrize("query", ["?id=7", "?token=a/b+c%3D&url=http://x/", "?a=b&c=%26d%20e"])
    def test_passes_the_query_on(self, server: RangeServer, content: bytes, query: str) -> None:
        assert np.array_equal(read(server.add("/get", content) + query), EXPECTED)
        assert {one.path for one in server.asked} == {"/get" + query}

    def test_spaces_and_letters_beyond_ascii(self, server: RangeServer, content: bytes) -> None:
        server.add("/a%20b%C3%A9.tif", content)
        assert np.array_equal(read(server.address("/a b\u00e9.tif?c=d e")), EXPECTED)
        assert {one.path for one in server.asked} == {"/a%20b%C3%A9.tif?c=d%20e"}

    def test_a_signed_address_is_never_asked_by_head(self, server: RangeServer, content: bytes) -> None:
        read(server.add("/a.tif", content, heads=False) + "?X-Amz-Signature=ab12")
        assert {one.method for one in server.asked} == {"GET"}

    def test_a_server_that_refuses_head(self, server: RangeServer, content: bytes) -> None:
        assert np.array_equal(read(server.add("/a.tif", content, heads=False)), EXPECTED)

    def test_a_name_as_gdal_writes_it(self, server: RangeServer, content: bytes) -> None:
        assert np.array_equal(read("/vsicurl/" + server.add("/a.tif", content)), EXPECTED)
        assert {one.path for one in server.asked} == {"/a.tif"}

    def test_a_password(self, server: RangeServer, content: bytes) -> None:
        server.add("/a.tif", content, password=base64.b64encode(b"me:open").decode())
        stack = Stack([server.address("/a.tif", "me:open")])
        assert np.array_equal(stack.read(WINDOW)[..., 0], EXPECTED)
        assert stack.names == (server.address("/a.tif", "***"),)

    def test_a_new_file_at_the_same_address_is_seen(self, server: RangeServer, content: bytes) -> None:
        address = server.address("/a.tif")
        assert "HTTP 404" in refused(address)
        server.add("/a.tif", content)
        assert np.array_equal(read(address), EXPECTED)
        server.add("/a.tif", content[: -SIZE * SIZE * 2] + (PIXELS + 1).tobytes())
        assert not np.array_equal(read(address), EXPECTED)


@pytest.mark.usefixtures("exceptions")
class TestTrouble:
    def test_busy_at_first(self, server: RangeServer, content: bytes) -> None:
        assert np.array_equal(read(server.add("/a.tif", content, busy=2)), EXPECTED)
        assert [one.status for one in server.asked].count(503) == 2

    @pytest.mark.parametrize(("harm", "times"), [("busy", 2), ("busy", 5), ("cut", 1), ("cut", 3)])
    def test_in_the_middle(self, server: RangeServer, content: bytes, harm: str, times: int) -> None:
        stack = Stack([server.add("/a.tif", content)])
        setattr(server.files["/a.tif"], harm, times)
        assert np.array_equal(stack.read(WINDOW)[..., 0], EXPECTED)
        assert getattr(server.files["/a.tif"], harm) == 0

    def test_busy_for_ever(self, server: RangeServer, content: bytes) -> None:
        message = refused(server.add("/a.tif", content, busy=-1))
        assert "HTTP 503" in message and server.address("/a.tif") in message and "try again later" in message.lower()
        assert len(server.asked) <= 4 * (remoterasters.RETRIES + 1)

    def test_broken_off_each_time(self, server: RangeServer, content: bytes) -> None:
        stack = Stack([server.add("/a.tif", content)])
        server.files["/a.tif"].cut = -1
        with pytest.raises(RasterError, match=r"columns 300 to 339, rows 500 to 529 of http://.*download the file"):
            stack.read(WINDOW)

    def test_stalled(self, server: RangeServer, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(remoterasters, "STALLED", 1)
        stack = Stack([server.add("/a.tif", content)])
        server.files["/a.tif"].stalls = 1
        assert np.array_equal(stack.read(WINDOW)[..., 0], EXPECTED)
        assert server.files["/a.tif"].stalls == 0

    @pytest.mark.parametrize(
        ("status", "cure"), [(401, "password"), (403, "signature has expired"), (404, "no such file"), (400, "refuses")]
    )
    def test_refused(self, server: RangeServer, content: bytes, status: int, cure: str) -> None:
        message = refused(server.add("/a.tif", content, status=status))
        assert server.address("/a.tif") in message and f"HTTP {status}" in message and cure in message

    def test_no_ranges(self, server: RangeServer, content: bytes) -> None:
        message = refused(server.add("/a.tif", content, ranges=False))
        assert "no HTTP range requests" in message and "download the file and give its path" in message

    def test_no_server(self) -> None:
        message = refused("http://127.0.0.1:1/a.tif?api_key=topsecret")
        assert "http://127.0.0.1:1/a.tif?api_key=***" in message and "connect" in message.lower()

    def test_no_raster(self, server: RangeServer) -> None:
        assert "not recognized" in refused(server.add("/a.tif", b"<html>hello</html>" * 100))

    def test_secrets_are_not_told(self, server: RangeServer, content: bytes) -> None:
        server.add("/a.tif", content, status=403)
        message = refused(server.address("/a.tif", "me:open") + "?X-Amz-Signature=0123abcd&id=5")
        assert "?X-Amz-Signature=***&id=5" in message
        assert "open@" not in message and "0123abcd" not in message and "me:" not in message


class TestChange:
    @pytest.fixture(autouse=True)
    def run(self) -> Iterator[None]:
        """Open rasters as an operation does."""
        with inputs.watched(Progress()):
            yield

    @pytest.mark.parametrize("change", ["etag", "modified", "content"])
    def test_is_found_at_the_end(self, server: RangeServer, content: bytes, change: str) -> None:
        stack = Stack([server.add("/a.tif", content, etag='"1"', modified="Mon, 02 Nov 2026 10:00:00 GMT")])
        stack.read(WINDOW)
        inputs.check_unchanged()
        new = {"etag": '"2"', "modified": "Mon, 02 Nov 2026 11:00:00 GMT", "content": content + b"more"}
        setattr(server.files["/a.tif"], change, new[change])
        with pytest.raises(RasterError, match=r"a\.tif changed during reading .*run again when it is complete"):
            inputs.check_unchanged()

    def test_is_found_when_a_read_fails(self, server: RangeServer, content: bytes) -> None:
        stack = Stack([server.add("/a.tif", content, etag='"1"')])
        server.add("/a.tif", content[: len(content) // 3], etag='"2"')
        with pytest.raises(RasterError, match="changed during reading"):
            stack.read(Box(0, 900, 10, 10))

    def test_a_vanished_file(self, server: RangeServer, content: bytes) -> None:
        Stack([server.add("/a.tif", content)])
        del server.files["/a.tif"]
        with pytest.raises(RasterError, match="can no longer be reached"):
            inputs.check_unchanged()


class Interfering(Progress):
    """Does something to the server once, when a part of the output is written."""

    def __init__(self, harm: Callable[[], None]) -> None:
        self.harm = harm
        self.done = False

    def fraction(self, done: float) -> None:
        if not self.done:
            self.done = True
            self.harm()


class TestServing:
    """The model's reader thread, as a run has it; the model adds nothing."""

    @pytest.fixture
    def values(self, server: RangeServer, shared: Path, tmp_path: Path) -> dict[str, Any]:
        image = shared / "oracle" / "in" / "ramp10.tif"
        return {
            "source1.il": server.add("/ramp.tif", image.read_bytes(), etag='"1"'),
            "model.dir": str(shared / "oracle" / "models" / "ident"),
            "optim.tilesizex": 64,
            "out": str(tmp_path / "out.tif"),
        }

    def test_trouble_in_the_middle(self, server: RangeServer, values: dict[str, Any], shared: Path) -> None:
        served = server.files["/ramp.tif"]

        def harm() -> None:
            served.busy, served.cut = 2, 1

        run("TensorflowModelServe", values, Interfering(harm))
        assert (served.busy, served.cut) == (0, 0)
        image = gdal.Open(str(shared / "oracle" / "in" / "ramp10.tif"))
        out = gdal.Open(values["out"])
        assert out.ReadRaster(buf_type=gdal.GDT_Float32) == image.ReadRaster(buf_type=gdal.GDT_Float32)

    def test_a_change_leaves_nothing(self, server: RangeServer, values: dict[str, Any], tmp_path: Path) -> None:
        def harm() -> None:
            server.files["/ramp.tif"].etag = '"2"'

        with pytest.raises(RasterError, match=r"ramp\.tif changed during reading \(ETag"):
            run("TensorflowModelServe", values, Interfering(harm))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("http://a/b.tif", "http://a/b.tif"),
        ("HTTPS://a/b.tif?x=1", "HTTPS://a/b.tif?x=1"),
        ("/vsicurl/https://a/b", "https://a/b"),
        ("/vsizip/vsicurl/https://a/b.zip", ""),
        ("/data/http/a.tif", ""),
        (None, ""),
    ],
)
def test_address_of(source: object, address: str) -> None:
    assert address_of(source) == address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:pw@host/a.tif", "https://***@host/a.tif"),
        ("https://me:p@w@host/a.tif", "https://***@host/a.tif"),
        ("https://host/a@b.tif", "https://host/a@b.tif"),
        ("https://h/a?width=3&sig=x%2Fy&se=2026-01-01", "https://h/a?width=3&sig=***&se=2026-01-01"),
        ("https://h/a?AWSAccessKeyId=AB&Signature=CD", "https://h/a?AWSAccessKeyId=***&Signature=***"),
        ("https://h/a?h=0123456789abcdef0123456789", "https://h/a?h=***"),
        ("https://h/a?layer=a_layer_with_a_very_long_name", "https://h/a?layer=a_layer_with_a_very_long_name"),
        (
            "'/vsicurl?max_retry=3&url=https%3A%2F%2Fu%3Ap%40h%2Fa%3Ftoken%3D1' failed",
            "'https://***@h/a?token=***' failed",
        ),
        ("/data/key=3&token=4.tif", "/data/key=3&token=4.tif"),
    ],
)
def test_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown
