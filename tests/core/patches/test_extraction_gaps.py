"""PatchesExtraction with NODATA_RULE and NODATA_PIXELS: which patches are kept, and what stands for missing values in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marked_rasters import made
from osgeo import gdal
from points import write_points
from serving import read

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.patches.patchesimage import read_description

SIDE = 3


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Four bands with gaps of single values, and some of whole pixels."""
    random = np.random.default_rng(0)
    found = random.integers(1, 100, (12, 15, 4)).astype("int16")
    found[random.random(found.shape) < 0.03] = -1
    found[random.random(found.shape[:2]) < 0.05] = -1
    return found


def extract(folder: Path, image: Any, size: int = SIDE, **values: Any) -> dict[str, Any]:
    """Cut patches around every pixel."""
    dataset = gdal.Open(image) if isinstance(image, str) else None
    height, width = (dataset.RasterYSize, dataset.RasterXSize) if dataset else image.shape[:2]
    places = [(300005.0 + 10 * x, 3999995.0 - 10 * y) for y in range(height) for x in range(width)]
    points = write_points(folder / "points.gpkg", places, **{"class": [n % 3 for n in range(len(places))]})
    given = {
        "source1.il": [image],
        "source1.patchsizex": size,
        "source1.patchsizey": size,
        "vec": points,
        "field": "class",
    }
    given |= {"source1.out": str(folder / "patches.tif"), "outlabels": str(folder / "labels.tif")}
    return registry.run("PatchesExtraction", {**given, **values})


@pytest.mark.parametrize(
    ("rule", "bands", "share"),
    [("", 0.0, None), ("any", 0.0, 0.2), ("0.5", 0.5, None), ("all", 1.0, 0.12), ("0.25", 0.25, 0.05)],
)
def test_which_patches_are_kept(
    pixels: np.ndarray, rule: str, bands: float, share: float | None, tmp_path: Path
) -> None:
    image = made(tmp_path / "a.tif", pixels, -1)
    extract(tmp_path, image, nodata_rule=rule, nodata_pixels=share)
    gaps = pixels == -1
    without = (gaps.mean(axis=2) > bands) | gaps.all(axis=2)
    windows = np.lib.stride_tricks.sliding_window_view(without, (SIDE, SIDE))
    kept = np.argwhere(windows.mean(axis=(2, 3)) <= (share or 0.0) + 1e-9)
    expected = [pixels[y : y + SIDE, x : x + SIDE] for y, x in kept]
    found = read(tmp_path / "patches.tif").reshape(-1, SIDE, SIDE, 4)
    assert np.array_equal(found, expected) and 0 < len(found) < windows[..., 0, 0].size
    described = read_description(str(tmp_path / "patches.tif"))
    assert described.get("nodata") == (None if bands == 0 and not share else "-1.0")
    known = np.where(found == -1, np.nan, found).reshape(-1, 4).astype("float64")
    assert [row["mean"] for row in described["statistics"]] == pytest.approx(np.nanmean(known, axis=0))


def test_what_a_mask_or_another_tag_marks_gets_the_value_of_the_patches(pixels: np.ndarray, tmp_path: Path) -> None:
    mask = np.where((pixels == -1).all(axis=2), 0, 255).astype("uint8")
    plain = np.where((pixels == -1).all(axis=2)[..., None], 50, pixels)
    image = made(tmp_path / "a.tif", plain, -1, mask)
    extract(tmp_path, image, 1, nodata_rule="all", nodata_pixels=1)
    found = read(tmp_path / "patches.tif").reshape(-1, 4)
    assert (found >= -1).all() and not (found == -1).all(axis=1).any()  # a patch without any data is never kept
    extract(tmp_path, image, 3, nodata_rule="all", nodata_pixels=0.5)
    assert (read(tmp_path / "patches.tif").reshape(-1, 4) == -1).all(axis=1).any()


def test_floating_point_bands_without_a_common_value_get_nan(pixels: np.ndarray, tmp_path: Path) -> None:
    parts = pixels[..., :1].astype("float32"), np.where(pixels[..., 1:2] == -1, -9, pixels[..., 1:2]).astype("float32")
    images = [made(tmp_path / "a.tif", parts[0], -1), made(tmp_path / "b.tif", parts[1], -9)]
    extract(tmp_path, images[0], 1, **{"source1.il": images, "nodata_rule": "all"})
    found, gaps = read(tmp_path / "patches.tif").reshape(-1, 2), (pixels[..., :2] == -1).reshape(-1, 2)
    assert np.array_equal(np.isnan(found), gaps[~gaps.all(axis=1)])
    assert read_description(str(tmp_path / "patches.tif"))["nodata"] == "nan"


def test_whole_numbers_without_a_common_value_are_refused(pixels: np.ndarray, tmp_path: Path) -> None:
    images = [made(tmp_path / "a.tif", pixels, -1), made(tmp_path / "b.tif", pixels, -2)]
    more = {"source1.il": images, "nodata_rule": "all"}
    with pytest.raises(
        ParameterError, match="no common no-data value.*SOURCE1_NODATA that no pixel.*NODATA_RULE to any"
    ):
        extract(tmp_path, images[0], 1, **more)
    extract(tmp_path, images[0], 1, **more, **{"source1.nodata": -1})


def test_a_pixel_type_that_lacks_the_value_is_refused(pixels: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="SOURCE1_NODATA is -1, which the pixel type uint8 cannot hold"):
        extract(tmp_path, made(tmp_path / "a.tif", pixels, -1), nodata_rule="all", **{"source1.out.pixeltype": "uint8"})


def test_names_with_dates_go_along(pixels: np.ndarray, tmp_path: Path) -> None:
    extract(tmp_path, made(tmp_path / "NDVI_20180101.tif", pixels), 1)
    assert read_description(str(tmp_path / "patches.tif"))["band_names"] == ["NDVI_20180101"] * 4
