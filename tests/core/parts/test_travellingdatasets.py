"""Open datasets on their way to workers."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from databases import leave
from osgeo import gdal
from polygon_scene import raster

from otbtf_qgis.core.parts.travellingdatasets import let_datasets_travel


@pytest.mark.parametrize("kind", ["file", "virtual raster of no file"])
def test_a_database_stays_as_it_is_when_a_worker_opens_it(tmp_path: Path, kind: str) -> None:
    """GDAL makes files beside a GeoPackage with a write-ahead log as soon as it opens it."""
    plain, path = raster(tmp_path / "plain.tif", np.arange(12).reshape(3, 4)), str(tmp_path / "image.gpkg")
    gdal.Translate(path, gdal.Translate("", plain, format="MEM", outputType=gdal.GDT_Byte), format="GPKG")
    dataset = gdal.Open(path)
    if kind != "file":
        dataset = gdal.Open(gdal.Translate("", dataset, format="VRT").GetMetadata("xml:VRT")[0])
    let_datasets_travel()
    sent = pickle.dumps(dataset)
    dataset = None
    leave(path, "closed", "CREATE TABLE other (number)", "")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    arrived = pickle.loads(sent)  # nosec B301 (its own)
    assert arrived.GetRasterBand(1).ReadAsArray().tolist() == np.arange(12).reshape(3, 4).tolist()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
