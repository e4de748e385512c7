"""How pixels get from files to TensorFlow and back: without copies, each block once, several files side by side."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from osgeo import gdal

from otbtf_qgis.core.errors import RasterError
from otbtf_qgis.core.files.gdalcalls import reads_directly
from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.rasters import rasterstack
from otbtf_qgis.core.rasters.buffers import ALIGNMENT, aligned_empty, spaced
from otbtf_qgis.core.rasters.pixeltypes import gdal_type
from otbtf_qgis.core.rasters.rastercreation import threaded
from otbtf_qgis.core.rasters.rasterstack import Stack

PARTS = {
    "whole": lambda a: a,
    "part": lambda a: a[5:40, 7:31],
    "rows backwards": lambda a: a[::-1],
    "one band": lambda a: a[:, :, 1:2],
    "one value": lambda a: a[3:4, 3:4, 1:2],
    "turned": lambda a: a.transpose(1, 0, 2),
    "every other": lambda a: a[::2, ::3],
    "repeated": lambda a: np.broadcast_to(a[:1, :1], (9, 8, 3)),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_arrays_are_written_as_they_lie(part: str, dtype: str) -> None:
    array = PARTS[part](serving.noise(50, 60, 3, dtype))
    height, width, bands = array.shape
    code = gdal_type(dtype)
    dataset = gdal.GetDriverByName("MEM").Create("", width, height, bands, code)
    given = spaced(array)
    spaces = {"buf_pixel_space": given.pixel, "buf_line_space": given.line, "buf_band_space": given.band}
    dataset.WriteRaster(0, 0, width, height, given.data, buf_type=code, **spaces)
    np.testing.assert_array_equal(np.moveaxis(dataset.ReadAsArray().reshape(bands, height, width), 0, -1), array)
    copied = not np.shares_memory(np.frombuffer(given.data, np.uint8), array)
    assert copied == (part in ("rows backwards", "repeated"))


@pytest.mark.parametrize("shape", [(1,), (3, 5, 7), (1, 64, 64, 4)])
def test_aligned_arrays(shape: tuple[int, ...]) -> None:
    for dtype in ("uint8", "int16", "float64", "complex128"):
        array = aligned_empty(shape, dtype)
        assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
        assert array.ctypes.data % ALIGNMENT == 0 and array.flags.c_contiguous and array.flags.writeable


def test_tensorflow_uses_what_gdal_has_filled_and_gives_its_own(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    from otbtf_qgis.core.probing.compute import _array, _tensor

    stack = Stack([serving.write(tmp_path / "image.tif", serving.noise(40, 30, 3, "int16"))])
    image = stack.read(Box(2, 3, 20, 30))[None]
    tensor = _tensor(image)
    image[0, 0, 0] = -5
    assert (tensor[0, 0, 0].numpy() == -5).all()  # the same memory
    part = image[:, 3:9]
    np.testing.assert_array_equal(_tensor(part).numpy(), part)
    values = _array(tf.ones((2, 3)))
    assert not values.flags.owndata and not values.flags.writeable
    assert _array(tf.constant([1.5], tf.bfloat16)).dtype == np.float32


LAYOUTS = [
    [*tiled, f"INTERLEAVE={interleave}", *compressed, *order]
    for tiled, interleave, compressed, order in itertools.product(
        ([], ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=32"]),
        ("PIXEL", "BAND"),
        ([], ["COMPRESS=DEFLATE"]),
        ([], ["ENDIANNESS=BIG"]),
    )
]


@pytest.mark.parametrize("options", LAYOUTS, ids=" ".join)
def test_every_layout_reads_the_same(tmp_path: Path, options: list[str]) -> None:
    pixels = serving.noise(100, 150, 3, "uint16")
    stack = Stack([serving.write(tmp_path / "image.tif", pixels, options=options)])
    for box in (Box(0, 0, 150, 100), Box(33, 31, 70, 35), Box(149, 99, 1, 1)):
        np.testing.assert_array_equal(stack.read(box), pixels[box.y : box.bottom, box.x : box.right])


@pytest.mark.parametrize("options", [o for o in LAYOUTS if "COMPRESS=DEFLATE" not in o], ids=" ".join)
@pytest.mark.parametrize("cut", [1, 1000])
def test_what_is_missing_at_the_end_is_an_error_in_every_layout(tmp_path: Path, options: list[str], cut: int) -> None:
    path = Path(serving.write(tmp_path / "image.tif", serving.noise(128, 192, 3, "uint16"), options=options))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(RasterError, match="damaged or incomplete"):
        Stack([str(path)]).read(Box(0, 0, 192, 128))


def test_which_files_are_read_without_the_cache(tmp_path: Path) -> None:
    tiled = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
    found = {
        name: reads_directly(gdal.Open(serving.write(tmp_path / name, serving.noise(100, 100), options=options)))
        for name, options in {"tiles": tiled, "strips": [], "packed": [*tiled, "COMPRESS=LZW"]}.items()
    }
    assert found == {"tiles": True, "strips": False, "packed": False}


def test_files_of_a_stack_are_read_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by one thread at a time; a mosaic is not, since it could share what it opens with another."""
    pools: list[int] = []

    class Pool(rasterstack.ThreadPoolExecutor):
        def __init__(self, workers: int) -> None:
            pools.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(rasterstack, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(rasterstack.os, "cpu_count", lambda: 8)
    pixels = [
        serving.noise(300, 300, bands, dtype, bands) for bands, dtype in ((1, "uint8"), (2, "uint16"), (1, "int16"))
    ]
    paths = [serving.write(tmp_path / f"{number}.tif", each) for number, each in enumerate(pixels)]
    box = Box(10, 20, 280, 270)
    expected = np.concatenate(pixels, axis=-1)[20:290, 10:290]
    np.testing.assert_array_equal(Stack(paths).read(box), expected)
    assert pools == [3]
    mosaic = str(tmp_path / "mosaic.vrt")
    gdal.Translate(mosaic, paths[0], format="VRT").FlushCache()
    np.testing.assert_array_equal(Stack([mosaic, *paths[1:]]).read(box), expected)
    Stack(paths).read(Box(0, 0, 9, 9))
    assert pools == [3]


def test_an_unreadable_file_among_others_is_named(tmp_path: Path) -> None:
    paths = [Path(serving.write(tmp_path / f"{name}.tif", serving.noise(400, 400))) for name in ("good", "bad", "fair")]
    paths[1].write_bytes(paths[1].read_bytes()[:-9000])
    with pytest.raises(RasterError, match=r"bad\.tif.*damaged or incomplete"):
        Stack([str(path) for path in paths]).read(Box(0, 0, 400, 400))


def test_formats_that_compress_in_threads_are_told_to() -> None:
    tiff = gdal.GetDriverByName("GTiff")
    assert threaded(tiff, ["COMPRESS=ZSTD"]) == ["COMPRESS=ZSTD", "NUM_THREADS=ALL_CPUS"]
    for given in ([], ["COMPRESS=NONE"], ["compress=lzw", "num_threads=3"]):
        assert threaded(tiff, given) == given
    assert threaded(gdal.GetDriverByName("PNG"), ["COMPRESS=x"]) == ["COMPRESS=x"]


@pytest.mark.parametrize("tiles", [{}, {"optim_tilesizex": 300, "optim_tilesizey": 200}])
def test_each_block_is_written_once(tmp_path: Path, tiles: dict[str, Any]) -> None:
    """A compressed block that is written again at another size leaves a gap in the file."""
    pytest.importorskip("tensorflow")
    image = serving.write(tmp_path / "image.tif", serving.noise(1100, 900, 2, "uint16"))
    net = serving.pixelwise(tmp_path / "net", lambda x: x // 7, 2, "uint16")
    out = tmp_path / "out.tif"
    serving.serve(source1_il=image, model_dir=net, out=str(out), memory=64, **tiles)
    dataset = gdal.Open(str(out))
    band = dataset.GetRasterBand(1)
    blocks = [
        (
            int(band.GetMetadataItem(f"BLOCK_OFFSET_{x}_{y}", "TIFF")),
            int(band.GetMetadataItem(f"BLOCK_SIZE_{x}_{y}", "TIFF")),
        )
        for y in range(5)
        for x in range(4)
    ]
    assert dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "DEFLATE"
    assert [offset for offset, _ in blocks] == sorted(offset for offset, _ in blocks)
    gaps = [later - offset - size for (offset, size), (later, _) in zip(blocks, blocks[1:])]
    assert max(gaps) <= 8
