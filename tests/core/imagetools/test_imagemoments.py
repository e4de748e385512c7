"""ComputeImagesStatistics: means and standard deviations as NumPy and OTB's formula have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving

from otbtf_qgis.core import registry
from otbtf_qgis.core.classifiers.imstat import read_statistics
from otbtf_qgis.core.errors import NothingInsideError, RasterError


def found(folder: Path, *images: str, log: serving.Log | None = None, **more: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Return means, deviations and results."""
    values = {"il": list(images), "out": str(folder / "bands.xml"), **more}
    results = registry.run("ComputeImagesStatistics", values, log or serving.Log())
    statistics = read_statistics(str(folder / "bands.xml"))
    return statistics.mean, statistics.deviation, results


def test_an_image(tmp_path: Path) -> None:
    """Large values with a small deviation, in several tiles: a sum of squares would lose it."""
    pixels = serving.noise(700, 600, 3, "float64") + 1e6
    mean, deviation, results = found(tmp_path, serving.write(tmp_path / "image.tif", pixels))
    flat = pixels.reshape(-1, 3)
    np.testing.assert_allclose(mean, flat.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(deviation, flat.std(axis=0, ddof=1), rtol=1e-7)
    assert (results["pixels"], results["images"], results["bands"]) == (420_000, 1, 3)
    text = (tmp_path / "bands.xml").read_text()
    assert text.startswith(
        '<?xml version="1.0" ?>\n<FeatureStatistics>\n    <Statistic name="mean">\n        <StatisticVector'
    )


def test_pixels_that_do_not_count(tmp_path: Path) -> None:
    pixels = serving.noise(30, 40, 2, "float32") + 1
    pixels[3, 4, 0] = 77  # no-data in one band
    pixels[5, 6, 1] = np.nan
    pixels[7, 8, 1] = np.inf
    pixels[9, 10] = 0  # the background value in both bands
    pixels[11, 12, 0] = 0  # and in one only
    image = serving.write(tmp_path / "image.tif", pixels, nodata=77)
    counted = np.ones((30, 40), bool)
    counted[3, 4] = counted[5, 6] = counted[7, 8] = counted[9, 10] = False
    mean, deviation, results = found(tmp_path, image, bv=0)
    assert results["pixels"] == 30 * 40 - 4
    np.testing.assert_allclose(mean, pixels[counted].astype(float).mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(deviation, pixels[counted].astype(float).std(axis=0, ddof=1), rtol=1e-9)
    assert found(tmp_path, image)[2]["pixels"] == 30 * 40 - 3


def test_several_images_are_pooled(tmp_path: Path) -> None:
    """By OTB's formula: each image's sum of squares about its own mean, over the pixels less the images."""
    parts = [serving.noise(10, 20, 2, "uint16"), serving.noise(15, 12, 2, "uint16") + 9000]
    images = [serving.write(tmp_path / f"{number}.tif", part) for number, part in enumerate(parts)]
    images.append(serving.write(tmp_path / "empty.tif", np.full((4, 4, 2), 5, "uint16"), nodata=5))
    log = serving.Log()
    mean, deviation, results = found(tmp_path, *images, log=log)
    flat = [part.reshape(-1, 2).astype(float) for part in parts]
    np.testing.assert_allclose(mean, np.concatenate(flat).mean(axis=0), rtol=1e-12)
    variance = sum(each.var(axis=0, ddof=1) * (len(each) - 1) for each in flat) / (200 + 180 - 2)
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-12)
    assert (results["pixels"], results["images"]) == (380, 2)
    assert any("empty.tif has no pixel with data" in warning for warning in log.warnings)


def test_refused(tmp_path: Path) -> None:
    two = serving.write(tmp_path / "two.tif", serving.noise(4, 4, 2, "uint16"))
    three = serving.write(tmp_path / "three.tif", serving.noise(4, 4, 3, "uint16"))
    with pytest.raises(RasterError, match=r"IL: .*three.tif has 3 bands, but .*two.tif has 2"):
        found(tmp_path, two, three)
    empty = serving.write(tmp_path / "empty.tif", np.full((4, 4, 2), 5, "uint16"), nodata=5)
    with pytest.raises(NothingInsideError, match="no pixel has data in all bands"):
        found(tmp_path, empty)
    assert not (tmp_path / "bands.xml").exists()
