"""Layers that are not files are read through QGIS, from a real server of tiles on the loopback interface."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsNetworkAccessManager,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
    QgsProject,
    QgsRasterDataProvider,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QEventLoop
from tileserver import TILE, WORLD, TileServer, resolution, serving_tiles, tile_pixels

from otbtf_qgis.algorithms import layergrid, providerblocks, weblayers
from otbtf_qgis.algorithms.feedback import in_words
from otbtf_qgis.algorithms.weblayers import WebLayer, provider_address
from otbtf_qgis.core.operations.extractroi import ExtractROI
from otbtf_qgis.provider import OtbtfProvider

ZOOM = 15
SIZE = resolution(ZOOM)
COLUMN, ROW = 28700, 12900
"""Of the upper left tile of the extents; near Tokyo."""


class Log(QgsProcessingFeedback):
    """Keeps what a run says."""

    def __init__(self) -> None:
        super().__init__(False)
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def pushInfo(self, text: str) -> None:
        self.lines.append(text)

    def pushWarning(self, text: str) -> None:
        self.warnings.append(text)


def rectangle(left: float, top: float, width: float, height: float) -> QgsRectangle:
    """Return an extent in pixels of the zoom level, from the corner of the upper left tile."""
    x, y = (COLUMN * TILE + left) * SIZE - WORLD, WORLD - (ROW * TILE + top) * SIZE
    return QgsRectangle(x, y - height * SIZE, x + width * SIZE, y)


def text(box: QgsRectangle, authid: str = "EPSG:3857") -> str:
    limits = (box.xMinimum(), box.xMaximum(), box.yMinimum(), box.yMaximum())
    return f"{','.join(map(repr, limits))} [{authid}]"


def expected(left: int, top: int, width: int, height: int) -> np.ndarray:
    """Return the pixels of an extent as bands x height x width."""
    columns, rows = range((left + width) // TILE + 1), range((top + height) // TILE + 1)
    tiles = [[tile_pixels(ZOOM, COLUMN + column, ROW + row) for column in columns] for row in rows]
    return np.block([[[tile] for tile in row] for row in tiles])[top : top + height, left : left + width, :3].transpose(
        2, 0, 1
    )


def same(found: np.ndarray, left: int, top: int, width: int, height: int) -> bool:
    """Return whether an image is exactly what the tiles show of an extent."""
    return np.array_equal(found, expected(left, top, width, height))


@pytest.fixture
def server() -> Iterator[TileServer]:
    with serving_tiles() as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Whatever happens, a run removes its temporary file; and a test does not wait for servers that fail on purpose."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(providerblocks, "_PAUSES", (0.01, 0.02))
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture
def log() -> Log:
    return Log()


class Run:
    """Runs an operation that reads one image, IN, and writes one, OUT; by default the one that copies it.

    Attributes:
        geotransform: of the output.
        epsg: code of the output's coordinate system.
    """

    def __init__(self, provider: OtbtfProvider, context: QgsProcessingContext, log: Log, out: Path) -> None:
        self._provider, self._context, self._log, self._out = provider, context, log, str(out)
        self.geotransform: Any = None
        self.epsg = ""

    def __call__(
        self, layer: Any, extent: Any = None, size: Any = None, algorithm: str = "extractroi", **more: Any
    ) -> np.ndarray:
        """Return the output's pixels: bands x height x width, or height x width for one band."""
        values = {"IN": layer, "OUT": self._out, "WEB_EXTENT": extent, "WEB_PIXELSIZE": size, **more}
        created = self._provider.algorithm(algorithm).create()
        possible, problem = created.checkParameterValues(values, self._context)
        if not possible:
            raise QgsProcessingException(problem)
        _, done = created.run(values, self._context, self._log, catchExceptions=False)
        assert done
        dataset = gdal.Open(self._out)
        self.geotransform, self.epsg = dataset.GetGeoTransform(), dataset.GetSpatialRef().GetAuthorityCode(None)
        return dataset.ReadAsArray()

    def has_data(self, *given: Any) -> np.ndarray:
        """Return for each pixel whether the operation takes it as one with data."""
        return self(*given, "managenodata") == 1


@pytest.fixture
def read(provider: OtbtfProvider, context: QgsProcessingContext, log: Log, tmp_path: Path) -> Run:
    return Run(provider, context, log, tmp_path / "out.tif")


def basemap(server: TileServer, lowest: int = 2, highest: int = 18) -> QgsRasterLayer:
    layer = QgsRasterLayer(server.source(lowest, highest), "tiles", "wms")
    assert layer.isValid()
    return layer


# ------------------------------------------------------------------- what is read


def test_the_pixels_of_tiles_stay_as_they_are(server: TileServer, read: Run, log: Log) -> None:
    found = read(basemap(server), text(rectangle(100, 50, 400, 300)), SIZE)
    assert same(found, 100, 50, 400, 300)
    assert read.geotransform == pytest.approx(
        (rectangle(100, 50, 1, 1).xMinimum(), SIZE, 0, rectangle(100, 50, 1, 1).yMaximum(), 0, -SIZE)
    )
    assert read.epsg == "3857"
    assert {zoom for zoom, _, _ in server.asked} == {ZOOM}
    said = "IN: the layer tiles is read as 400 x 300 pixels of 4.777314268 meters in EPSG:3857 (3.88 m on the ground), the "
    assert any(line.startswith(said) and line.endswith("pixels of zoom level 15.") for line in log.lines), log.lines
    assert log.warnings == []


def test_in_parts(server: TileServer, read: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layergrid, "_PART", 130)
    assert same(read(basemap(server), text(rectangle(3, 4, 300, 280)), SIZE), 3, 4, 300, 280)


def test_a_size_near_that_of_a_zoom_level_is_taken_for_it(server: TileServer, read: Run) -> None:
    found = read(basemap(server), text(rectangle(10, 10, 50, 50)), "4.8")
    assert same(found, 10, 10, 50, 50)


def test_another_size_is_resampled(server: TileServer, read: Run, log: Log) -> None:
    found = read(basemap(server), text(rectangle(0, 0, 100, 100)), 2 * SIZE * 0.9)
    assert found.shape[0] == 3
    assert {zoom for zoom, _, _ in server.asked} == {ZOOM - 1}
    assert any("resampled from zoom level 14 (9.554628536 meters)." in line for line in log.lines), log.lines


def test_finer_than_the_finest_zoom_level(server: TileServer, read: Run, log: Log) -> None:
    read(basemap(server, highest=ZOOM), text(rectangle(0, 0, 10, 10)), SIZE / 4)
    assert {zoom for zoom, _, _ in server.asked} == {ZOOM}
    assert any("has no pixels below 4.777314268 meters" in line for line in log.warnings), log.warnings


def test_an_extent_in_another_system_is_transformed(server: TileServer, read: Run) -> None:
    box = rectangle(20, 30, 60, 40)
    systems = (QgsCoordinateReferenceSystem("EPSG:3857"), QgsCoordinateReferenceSystem("EPSG:4326"))
    degrees = QgsCoordinateTransform(*systems, QgsProject.instance()).transformBoundingBox(box)
    found = read(basemap(server), text(degrees, "EPSG:4326"), SIZE)
    assert same(found, 20, 30, 60, 40)


def test_without_a_code_an_extent_is_in_the_layers_system(server: TileServer, read: Run) -> None:
    found = read(basemap(server), text(rectangle(0, 0, 8, 8)).partition(" ")[0], SIZE)
    assert same(found, 0, 0, 8, 8)


def test_a_layer_of_the_project_and_an_address(server: TileServer, read: Run) -> None:
    QgsProject.instance().addMapLayer(basemap(server))
    box = text(rectangle(1, 2, 30, 20))
    for name in ("tiles", f"wms:{server.source()}", f"wms://{server.source()}"):
        assert same(read(name, box, SIZE), 1, 2, 30, 20)


def test_transparent_pixels_are_no_data(server: TileServer, read: Run, log: Log) -> None:
    def pixels(zoom: int, column: int, row: int) -> np.ndarray:
        tile = tile_pixels(zoom, column, row)
        tile[:10, :, 3] = 0
        tile[10:20, :, 3] = 100
        return tile

    server.pixels = pixels
    found = read.has_data(basemap(server), text(rectangle(0, 0, 40, 40)), SIZE)
    assert not found[:10].any()
    assert found[10:].all()
    assert any("has no data in 400 of 1600 pixels of the extent. They are" in line for line in log.warnings)


def test_a_virtual_raster_keeps_its_values(read: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "in.tif")
    made = gdal.GetDriverByName("GTiff").Create(path, 20, 10, 1, gdal.GDT_Int16)
    made.SetGeoTransform((500000, 10, 0, 4000000, 0, -10))
    made.SetProjection(QgsCoordinateReferenceSystem("EPSG:32654").toWkt())
    values = np.arange(200, dtype="int16").reshape(10, 20)
    made.GetRasterBand(1).WriteArray(values)
    made.GetRasterBand(1).SetNoDataValue(65)
    del made
    source = QgsRasterLayer(path, "in")
    asked, own = QgsRasterDataProvider.VirtualRasterParameters(), QgsRasterDataProvider.VirtualRasterInputLayers()
    own.name, own.uri, own.provider = "in", path, "gdal"
    asked.crs, asked.extent, asked.width, asked.height = source.crs(), source.extent(), 20, 10
    asked.formula, asked.rInputLayers = '"in@1" * 2', [own]
    layer = QgsRasterLayer(QgsRasterDataProvider.encodeVirtualRasterProviderUri(asked), "virtual", "virtualraster")
    assert layer.isValid()
    found = read(layer, "500040,500100,3999940,3999980 [EPSG:32654]")
    wanted = values[2:6, 4:10] * 2.0
    wanted[1, 1] = np.nan
    assert np.array_equal(found, wanted, equal_nan=True)


# ------------------------------------------------------------------- what is refused


def refused(read: Run, *given: Any) -> str:
    with pytest.raises(QgsProcessingException) as caught:
        read(*given)
    return str(caught.value)


def test_what_is_missing_is_told(server: TileServer, read: Run) -> None:
    assert "IN: the layer tiles is not a file, and WEB_EXTENT is missing" in refused(read, basemap(server), None, 1)
    told = refused(read, basemap(server), text(rectangle(0, 0, 9, 9)))
    assert (
        "WEB_PIXELSIZE is missing: enter the size of a pixel in meters of EPSG:3857. Its zoom levels have 0.597164 (18)"
        in told
    )
    assert server.asked == []


@pytest.mark.parametrize(
    ("extent", "size", "words"),
    [
        ("0,1,2", 1, "WEB_EXTENT is '0,1,2', but must be xmin,xmax,ymin,ymax"),
        ("3e7,4e7,0,1 [EPSG:3857]", 1, "which is outside the layer tiles"),
        ("0,1e6,0,1e6 [EPSG:3857]", "wide", "WEB_PIXELSIZE is 'wide', but must be a number."),
        ("0,1e6,0,1e6 [EPSG:3857]", 0, "WEB_PIXELSIZE is 0, but must be above 0"),
        (
            "0,1e6,0,1e6 [EPSG:3857]",
            1,
            "but at most 1000 megapixels are read: choose a smaller extent or a larger WEB_PIXELSIZE",
        ),
    ],
)
def test_what_cannot_be_read(server: TileServer, read: Run, extent: str, size: Any, words: str) -> None:
    assert words in refused(read, basemap(server), extent, size)
    assert server.asked == []


def test_many_pixels_are_warned_of(server: TileServer, read: Run, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weblayers, "WARNED", 0.01)
    read(basemap(server), text(rectangle(0, 0, 120, 100)), SIZE)
    assert any("has 0 megapixels in this extent. Reading them takes long" in line for line in log.warnings)


def test_an_address_that_no_provider_opens(read: Run) -> None:
    told = refused(read, "wcs:url=http://127.0.0.1:9/&identifier=a&password=secret", "0,1,0,1", 1)
    assert "IN is a source of the provider wcs, which cannot open it" in told
    assert "secret" not in told


def test_dialogs_name_the_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QgsApplication, "platform", lambda: "desktop")
    told = in_words(f"{weblayers.EXTENT.mention} is missing.", ExtractROI)
    assert told == "\u201cWeb layers: extent\u201d is missing."


def test_only_operations_that_read_rasters_ask_for_them(provider: OtbtfProvider) -> None:
    asking = {one.name() for one in provider.algorithms() if one.parameterDefinition("WEB_EXTENT")}
    assert {"tensorflowmodelserve", "sampleextraction", "landcovermap", "imageclassifier"} <= asking
    assert asking.isdisjoint({"enginereport", "installengine", "trainvectorclassifier"})
    for name in asking:
        parameters = provider.algorithm(name)
        for parameter in ("WEB_EXTENT", "WEB_PIXELSIZE"):
            flags = parameters.parameterDefinition(parameter).flags()
            assert flags & QgsProcessingParameterDefinition.Flag.FlagAdvanced
            assert flags & QgsProcessingParameterDefinition.Flag.FlagOptional


def test_addresses_of_providers() -> None:
    assert (
        provider_address("wms:type=xyz&url=a") == provider_address("wms://type=xyz&url=a") == ("wms", "type=xyz&url=a")
    )
    for other in (
        "/a/wms.tif",
        "WMS:http://a/b",
        "gdal:a.tif",
        "GPKG:/a/b.gpkg:c",
        "NETCDF:a.nc:b",
        "<VRTDataset>",
        "C:/a.tif",
    ):
        assert provider_address(other) == ("", "")


# ------------------------------------------------------------------- servers that fail


def test_tiles_that_a_server_lacks_are_no_data(server: TileServer, read: Run, log: Log) -> None:
    server.status = lambda tile: 404 if tile == (ZOOM, COLUMN + 1, ROW) else 200
    found = read.has_data(basemap(server), text(rectangle(200, 0, 100, 20)), SIZE)
    assert found[:, :56].all()
    assert not found[:, 56:].any()
    said = "has no data in 880 of 2000 pixels of the extent; the server has no image for 1 requests (tiles) in it."
    assert any(said in line for line in log.warnings), log.warnings


def test_an_extent_without_any_tile_is_refused(server: TileServer, read: Run) -> None:
    server.status = lambda tile: 404
    assert "has no data in the whole extent" in refused(read, basemap(server), text(rectangle(0, 0, 40, 40)), SIZE)


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_tiles_that_fail_are_refused(server: TileServer, read: Run, status: int, tmp_path: Path) -> None:
    server.status = lambda tile: status if tile == (ZOOM, COLUMN, ROW) else 200
    told = refused(read, basemap(server), text(rectangle(200, 200, 100, 100)), SIZE)
    assert f"IN: the layer tiles cannot be read: 127.0.0.1 answers with HTTP status {status}." in told
    assert not (tmp_path / "out.tif").exists()


def test_a_tile_that_fails_once_is_asked_for_again(server: TileServer, read: Run, log: Log) -> None:
    failing = (ZOOM, COLUMN, ROW)
    server.status = lambda tile: 503 if tile == failing and server.asked.count(failing) == 1 else 200
    found = read(basemap(server), text(rectangle(200, 200, 100, 100)), SIZE)
    assert same(found, 200, 200, 100, 100)
    assert log.warnings == []


def test_a_text_in_place_of_a_tile_is_refused(server: TileServer, read: Run) -> None:
    server.kind = "text/html"
    told = refused(read, basemap(server), text(rectangle(0, 0, 40, 40)), SIZE)
    assert "127.0.0.1 sends text/html instead of an image" in told


def test_a_server_that_does_not_answer_is_refused(server: TileServer, read: Run) -> None:
    server.held.clear()
    before = QgsNetworkAccessManager.timeout()
    QgsNetworkAccessManager.setTimeout(300)
    try:
        told = refused(read, basemap(server), text(rectangle(0, 0, 40, 40)), SIZE)
    finally:
        QgsNetworkAccessManager.setTimeout(before)
    assert "127.0.0.1 does not answer within 0.3 s" in told


def test_a_server_that_is_gone_is_refused(read: Run) -> None:
    with serving_tiles() as server:
        layer = basemap(server)
    assert "127.0.0.1 cannot be reached" in refused(read, layer, text(rectangle(0, 0, 40, 40)), SIZE)


# ------------------------------------------------------------------- in the background


def in_background(provider: OtbtfProvider, context: QgsProcessingContext, values: dict[str, Any], log: Log) -> Any:
    """Start a run as QGIS's dialogs do, in a task; return what ends it: a function that waits for its success."""
    algorithm = provider.algorithm("extractroi").create()
    task = QgsProcessingAlgRunnerTask(algorithm, values, context, log)
    ended: list[bool] = []
    task.executed.connect(lambda done, results: ended.append(done))
    QgsApplication.taskManager().addTask(task)

    def wait(seconds: float = 30) -> bool:
        end = time.monotonic() + seconds
        while not ended and time.monotonic() < end:
            QgsApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        assert ended, "the run does not end"
        return ended[0]

    return wait


def test_in_a_thread(
    server: TileServer, provider: OtbtfProvider, context: QgsProcessingContext, log: Log, tmp_path: Path
) -> None:
    out = str(tmp_path / "out.tif")
    values = {"IN": basemap(server), "OUT": out, "WEB_EXTENT": text(rectangle(0, 0, 300, 20)), "WEB_PIXELSIZE": SIZE}
    server.status = lambda tile: 404 if tile == (ZOOM, COLUMN, ROW) else 200
    assert in_background(provider, context, values, log)()
    assert same(gdal.Open(out).ReadAsArray()[:, :, TILE:], TILE, 0, 44, 20)
    assert any("has no image for 1 requests" in line for line in log.warnings), log.warnings


def test_cancel_while_a_server_is_silent(
    server: TileServer, provider: OtbtfProvider, context: QgsProcessingContext, log: Log, tmp_path: Path
) -> None:
    server.held.clear()
    out = tmp_path / "out.tif"
    values = {
        "IN": basemap(server),
        "OUT": str(out),
        "WEB_EXTENT": text(rectangle(0, 0, 300, 300)),
        "WEB_PIXELSIZE": SIZE,
    }
    wait = in_background(provider, context, values, log)
    asked = time.monotonic() + 20
    while not server.asked and time.monotonic() < asked:
        QgsApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
    threading.Timer(0.2, log.cancel).start()
    started = time.monotonic()
    assert not wait()
    assert time.monotonic() - started < 2.2
    assert not out.exists()


def test_the_file_is_removed_where_the_run_fails_later(server: TileServer, read: Run, tmp_path: Path) -> None:
    os.mkdir(tmp_path / "out.tif")  # which no raster can replace
    assert refused(read, basemap(server), text(rectangle(0, 0, 40, 40)), SIZE)


def test_a_layer_that_is_never_read_leaves_nothing(server: TileServer) -> None:
    wanted = weblayers.Wanted(lambda crs: rectangle(0, 0, 9, 9), SIZE)
    tiles = basemap(server)
    layer = WebLayer("IN", tiles, wanted).prepare(tiles)
    layer.release()
    del layer
    assert server.asked == []


def test_a_check_does_not_clone_a_provider(
    server: TileServer, provider: OtbtfProvider, context: QgsProcessingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone may ask the server, and dialogs check in the main thread."""
    cloned: list[str] = []
    monkeypatch.setattr(weblayers, "_of_zoom_level", lambda layer, zoom: cloned.append(layer.name()) or layer)
    values = {
        "IN": basemap(server),
        "OUT": "out.tif",
        "WEB_EXTENT": text(rectangle(0, 0, 10, 10)),
        "WEB_PIXELSIZE": SIZE,
    }
    algorithm = provider.algorithm("extractroi").create()
    possible, problem = algorithm.checkParameterValues(values, context)
    assert possible, problem
    assert cloned == []
