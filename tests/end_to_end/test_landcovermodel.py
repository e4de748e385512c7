"""The graphical model that the plugin brings, from labels to a map."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from osgeo import gdal, osr


def write(path: Any, bands: np.ndarray, nodata: float | None = None) -> str:
    """Write bytes of shape (bands, rows, columns)."""
    count, rows, columns = bands.shape
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), columns, rows, count, gdal.GDT_Byte)
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform((500_000, 10, 0, 4_800_000, 0, -10))
    for number, band in enumerate(bands, 1):
        dataset.GetRasterBand(number).WriteArray(band.astype("uint8"))
        if nodata is not None:
            dataset.GetRasterBand(number).SetNoDataValue(nodata)
    return str(path)


def test_labels_become_a_map(qgis: Any, tmp_path: Any) -> None:
    rows, columns = np.mgrid[:64, :160]
    labels = np.where((rows + columns) % 4 == 0, 1 + (rows // 32 + columns // 32) % 2, 255)
    image = np.random.default_rng(0).integers(0, 90, (2, 64, 160)) + 80 * (1 + (rows // 32 + columns // 32) % 2)
    done = qgis.attempt(
        "otbtf:landcovermodel",
        {
            "images": write(tmp_path / "image.tif", image),
            "labels": write(tmp_path / "labels.tif", labels[None], nodata=255),
            "samples": 80,
            "patchsize": 6,
            "network": "cnn16_deep",
            "epochs": 1,
            "map:Map": tmp_path / "map.tif",
            "training:Model": tmp_path / "model",
            "training:Report": tmp_path / "report.html",
        },
        json_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR 1" not in done.stdout + done.stderr  # as for a raster without a geotransform that QGIS loads
    results = json.loads(done.stdout[done.stdout.index("{") :])["results"]
    assert results["map:Map"] == str(tmp_path / "map.tif")
    pixels = gdal.Open(str(tmp_path / "map.tif")).ReadAsArray()
    assert pixels.shape == (64, 160) and set(np.unique(pixels)) <= {1, 2}
    assert (tmp_path / "model" / "mlm.json").is_file()
    properties = json.loads((tmp_path / "model" / "mlm.json").read_text(encoding="utf-8"))["properties"]
    assert {output["x"]["rfield"] for output in properties["otbtf:geometry"]} == {6}
    assert "validation" in (tmp_path / "report.html").read_text(encoding="utf-8")
