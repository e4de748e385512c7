"""What is no-data is not computed, and what a file does not hold is not even read; the output is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import serving  # noqa: E402
from osgeo import gdal  # noqa: E402

from otbtf_qgis.core.geometry.grid import Box  # noqa: E402
from otbtf_qgis.core.probing.compute import Compute  # noqa: E402
from otbtf_qgis.core.rasters.rasterstack import Stack  # noqa: E402
from otbtf_qgis.core.serving import runplan  # noqa: E402

SIDE, TILE = 1024, 256
DATA = Box(256, 512, 256, 256)
"""Where the images hold data: one of their 16 tiles, and a block of the sparse file."""


class Counts:
    """How often the model is called, and how many pixels are read of each file, in windows of more than one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.read: dict[str, int] = {}
        fill, region = Stack._fill, Compute.region

        def counted_fill(stack: Stack, array: np.ndarray, box: Box) -> None:
            name = Path(stack.names[0]).name
            self.read[name] = self.read.get(name, 0) + (box.area if box.area > 1 else 0)
            fill(stack, array, box)

        def counted_region(compute: Compute, *arguments: Any) -> np.ndarray:
            self.calls += 1
            return region(compute, *arguments)

        monkeypatch.setattr(Stack, "_fill", counted_fill)
        monkeypatch.setattr(Compute, "region", counted_region)
        monkeypatch.setattr(runplan, "FREEZING_PAYS", float("inf"))  # on a slow machine it would, with calls of its own

    def of(self, run: Callable[[], Any]) -> tuple[int, dict[str, int]]:
        """Return what a second run takes: the first has measured the model."""
        run()
        self.calls, self.read = 0, {}
        run()
        return self.calls, self.read


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    return Counts(monkeypatch)


def image(path: Path, sparse: bool, nodata: float | None = 0, bands: int = 2, side: int = SIDE) -> str:
    """Write zeros with noise at DATA; sparse, with the block of DATA alone."""
    options = ["TILED=YES", "SPARSE_OK=TRUE"] if sparse else ["TILED=YES"]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), side, side, bands, gdal.GDT_UInt16, options)
    dataset.SetProjection(gdal.Open(serving.write(path.with_suffix(".crs.tif"), serving.noise(2, 2))).GetProjection())
    dataset.SetGeoTransform(serving.ORIGIN)
    pixels = np.moveaxis(serving.noise(DATA.height, DATA.width, bands, "uint16"), -1, 0)
    if nodata is not None:
        for band in range(1, bands + 1):
            dataset.GetRasterBand(band).SetNoDataValue(nodata)
    if not sparse:
        dataset.WriteArray(np.zeros((bands, side, side), "uint16"))
    dataset.WriteArray(pixels, DATA.x, DATA.y)
    dataset = None
    if not sparse:  # GDAL leaves holes in the file for zeros
        path.write_bytes(path.read_bytes())
    dataset = gdal.Open(str(path))
    held = dataset.GetRasterBand(1).GetDataCoverageStatus(0, 0, TILE, TILE)[0]
    assert held == (gdal.GDAL_DATA_COVERAGE_STATUS_EMPTY if sparse else gdal.GDAL_DATA_COVERAGE_STATUS_DATA)
    return str(path)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A convolution that looks one pixel far: tiles overlap, and 0 gives 3."""
    kernel = np.random.default_rng(3).normal(size=(3, 3, 2, 3)).astype("float32")

    def body(x: Any) -> dict[str, Any]:
        return {"y": tf.nn.conv2d(tf.cast(x, "float32"), kernel, 1, "SAME") + 3.0}

    return serving.save(tmp_path_factory.mktemp("net") / "net", body, x=([None, None, None, 2], "uint16"))


def run(path: str, model: str, out: Path, **more: Any) -> Callable[[], Any]:
    tiles = {"optim_tilesizex": TILE, "optim_tilesizey": TILE}
    return lambda: serving.serve(source1_il=path, model_dir=model, out=str(out), output_bv=-1.0, **tiles, **more)


def test_tiles_without_data_are_neither_computed_nor_read_twice(tmp_path: Path, net: str, counts: Counts) -> None:
    calls, read = counts.of(run(image(tmp_path / "full.tif", False), net, tmp_path / "out.tif"))
    assert calls == 2  # one output to begin with, then the tile with data: its neighbours' outputs lie on no-data
    assert read["full.tif"] <= 1.1 * SIDE**2
    found = serving.read(tmp_path / "out.tif")
    inside = np.zeros((SIDE, SIDE), bool)
    inside[DATA.y : DATA.bottom, DATA.x : DATA.right] = True
    assert (found[~inside] == -1.0).all() and (found[inside] != -1.0).all()


def test_what_a_sparse_file_does_not_hold_is_not_read(tmp_path: Path, net: str, counts: Counts) -> None:
    expected = tmp_path / "expected.tif"
    run(image(tmp_path / "full.tif", False), net, expected)()
    calls, read = counts.of(run(image(tmp_path / "sparse.tif", True), net, tmp_path / "out.tif"))
    assert calls == 2
    assert DATA.area < read["sparse.tif"] < 2 * DATA.area
    assert (serving.read(tmp_path / "out.tif") == serving.read(expected)).all()
    assert gdal.Open(str(tmp_path / "out.tif")).GetRasterBand(1).GetNoDataValue() == -1.0


@pytest.mark.parametrize("south_up", [False, True])
def test_without_a_nodata_value_it_is_computed_as_zeros(
    tmp_path: Path, net: str, counts: Counts, south_up: bool
) -> None:
    paths = [image(tmp_path / f"{name}.tif", name == "sparse", nodata=None) for name in ("full", "sparse")]
    if south_up:
        for path in paths:
            gdal.Open(path, gdal.GA_Update).SetGeoTransform((300000.0, 10.0, 0.0, 3900000.0, 0.0, 10.0))
    expected = tmp_path / "expected.tif"
    run(paths[0], net, expected)()
    calls, read = counts.of(run(paths[1], net, tmp_path / "out.tif"))
    assert calls == 17
    assert read["sparse.tif"] < 10 * DATA.area  # its tile and those around, that see a line of it
    assert (serving.read(tmp_path / "out.tif") == serving.read(expected)).all()


def test_other_sources_are_not_read_where_one_is_nodata(tmp_path: Path, counts: Counts) -> None:
    def body(a: Any, b: Any) -> dict[str, Any]:
        return {"y": tf.cast(a[..., :1] + b[..., :1], "float32")}

    specs = {name: ([None, None, None, 2], "uint16") for name in "ab"}
    net = serving.save(tmp_path / "sum", body, **specs)
    other = serving.write(tmp_path / "other.tif", serving.noise(SIDE, SIDE, 2, "uint16"))
    work = run(other, net, tmp_path / "out.tif", source2_il=image(tmp_path / "full.tif", False))
    _, read = counts.of(work)
    assert read["other.tif"] <= 1.1 * DATA.area
    assert read["full.tif"] <= 1.1 * SIDE**2
    inside = serving.read(tmp_path / "out.tif")[DATA.y : DATA.bottom, DATA.x : DATA.right]
    assert (inside != -1.0).all()


def test_what_lies_outside_the_mask_is_neither_read_nor_computed(tmp_path: Path, net: str, counts: Counts) -> None:
    """A tile of the mask, and a corner of the next one."""
    mask = np.zeros((SIDE, SIDE, 1), "uint8")
    mask[DATA.y : DATA.bottom, DATA.x : DATA.right + 1] = 1
    path = serving.write(tmp_path / "mask.tif", mask)
    calls, read = counts.of(run(image(tmp_path / "full.tif", False, None), net, tmp_path / "out.tif", mask=path))
    assert calls == 3  # one output to begin with, then two tiles
    assert read["full.tif"] <= 2.1 * DATA.area
    found = serving.read(tmp_path / "out.tif")
    np.testing.assert_array_equal(found[..., 0] != -1.0, mask[..., 0] == 1)


def test_holes_in_a_file_are_not_taken_for_missing_blocks(tmp_path: Path) -> None:
    """Both are told by GDAL as empty, but holes are zeros, and missing blocks the no-data value."""
    path = Path(image(tmp_path / "sparse.tif", True, nodata=9, bands=1))
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.GetRasterBand(1).WriteArray(np.ones((TILE, TILE), "uint16"), 0, 0)
    dataset = None
    dataset = gdal.Open(str(path))
    offset = int(dataset.GetRasterBand(1).GetMetadataItem("BLOCK_OFFSET_0_0", "TIFF"))
    dataset = None
    stack = Stack([str(path)])
    assert stack.without_data(Box(512, 0, TILE, TILE)) == 9
    content = path.read_bytes()
    with path.open("wb") as file:
        file.write(content[:offset])
        file.truncate(len(content))
    stack = Stack([str(path)])
    assert (stack.read(Box(0, 0, TILE, TILE)) == 0).all() and (stack.read(Box(512, 0, TILE, TILE)) == 9).all()
    assert stack.without_data(Box(512, 0, TILE, TILE)) is None


def test_gaps_of_a_mosaic(tmp_path: Path, net: str, counts: Counts) -> None:
    """A VRT tells where it has no source; GDAL reads its no-data value there."""
    part = serving.write(tmp_path / "part.tif", serving.noise(TILE, TILE, 2, "uint16"))
    vrt = str(tmp_path / "mosaic.vrt")
    left, top = serving.ORIGIN[0], serving.ORIGIN[3]
    bounds = [left - 10 * TILE, top - 20 * TILE, left + 20 * TILE, top + 10 * TILE]
    del_me = gdal.BuildVRT(vrt, [part], outputBounds=bounds, srcNodata=0, VRTNodata=0)
    del_me.FlushCache()
    del del_me
    calls, read = counts.of(run(vrt, net, tmp_path / "out.tif"))
    assert calls == 2
    assert read["mosaic.vrt"] < 2 * TILE**2
    found = serving.read(tmp_path / "out.tif")
    assert found.shape[:2] == (3 * TILE, 3 * TILE)
    assert ((found[..., 0] == -1.0).sum(), (found[TILE : 2 * TILE, TILE : 2 * TILE] == -1.0).any()) == (
        8 * TILE**2,
        False,
    )
