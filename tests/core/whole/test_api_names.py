"""OTBTF's names for scripts, and operations as functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

import otbtf_qgis
from otbtf_qgis import core
from otbtf_qgis.core.errors import ParameterError


def patches(path: Path, values: np.ndarray, kind: int = gdal.GDT_UInt16) -> str:
    count, rows, columns, bands = values.shape
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), columns, count * rows, bands, kind)
    dataset.WriteArray(np.moveaxis(values.reshape(count * rows, columns, bands), -1, 0))
    dataset = None
    return str(path)


VALUES = np.random.default_rng(0).integers(0, 60000, (5, 4, 4, 2))


def test_the_version() -> None:
    assert core.__version__ == otbtf_qgis.__version__


@pytest.mark.parametrize("dtype", [None, "uint16", np.float64, np.int32])
def test_the_dtype_of_an_array(tmp_path: Path, dtype: object) -> None:
    found = core.read_as_np_arr(core.gdal_open(patches(tmp_path / "p.tif", VALUES)), True, dtype)
    assert found.dtype == (np.dtype("float32") if dtype is None else np.dtype(dtype))  # type: ignore[call-overload]
    assert np.array_equal(found, VALUES)


def test_large_whole_numbers_keep_their_last_digit(tmp_path: Path) -> None:
    numbers = np.array([16777217, -16777217, 2147483647, 5]).reshape(1, 2, 2, 1)
    path = patches(tmp_path / "p.tif", numbers, gdal.GDT_Int32)
    assert np.array_equal(core.read_as_np_arr(core.gdal_open(path), dtype="int64"), numbers)


def test_older_names_of_tricks(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    names: dict[str, object] = {}
    exec("from otbtf_qgis.core.tricks import *", names)
    assert names["tf"].placeholder and names["tf"].Session  # type: ignore[attr-defined]
    assert names["CreateSavedModel"] is core.create_savedmodel is core.CreateSavedModel
    assert names["CheckpointToSavedModel"] is core.ckpt_to_savedmodel
    path = patches(tmp_path / "p.tif", VALUES)
    assert np.array_equal(core.read_samples(path), VALUES)
    assert np.array_equal(core.read_image_as_np(path), VALUES.reshape(1, 20, 4, 2))
    assert core.model._is_chief(None)


def test_an_operation_is_a_function(tmp_path: Path) -> None:
    image = patches(tmp_path / "i.tif", VALUES)
    found = core.ExtractROI({"in": image, "startx": 1}, sizey=3, out=tmp_path / "o.tif", out_pixeltype="double")
    assert (found["width"], found["height"]) == (3, 3)
    found = core.ManageNoData(**{"in": image}, mode_buildmask_inv=5, usenan=True, out=str(tmp_path / "m.tif"))
    assert (gdal.Open(found["out"]).ReadAsArray() == 5).all()
    assert core.ExtractROI.__name__ == "ExtractROI"
    with pytest.raises(ParameterError, match="startx is given twice"):
        core.ExtractROI({"in": image, "startx": 1}, startx=2)
    with pytest.raises(ParameterError, match="Unknown parameter stratx"):
        core.ExtractROI({"in": image}, stratx=2)
    with pytest.raises(AttributeError, match="ExtractRoi"):
        core.ExtractRoi  # noqa: B018


def test_switches_take_booleans(tmp_path: Path) -> None:
    from otbtf_qgis.core.operations.tensorflowmodelserve import TensorflowModelServe
    from otbtf_qgis.core.parameters.parsing import parse

    given = {"source1.il": "a.tif", "model.dir": "m", "out": "o.tif"}
    for value, word in ((True, "on"), (False, "off"), ("auto", "auto")):
        assert parse(TensorflowModelServe, {**given, "model.fullyconv": value}).model_fullyconv == word


@pytest.mark.parametrize("options", ["COMPRESS=DEFLATE", "TILED=YES|COMPRESS=LZW"])
def test_creation_options_of_patches(tmp_path: Path, options: str) -> None:
    from polygon_scene import layer, point, raster

    image = raster(tmp_path / "i.tif", np.arange(400).reshape(20, 20))
    points = layer(tmp_path / "p.gpkg", [("1", point(5.5, 5.5)), ("2", point(9.5, 9.5))])
    out = tmp_path / "patches.tif"
    values = {"source1.il": image, "source1.patchsizex": 3, "source1.patchsizey": 3, "vec": points, "field": "class"}
    core.PatchesExtraction(
        values, source1_out=out, source1_out_co=options, outlabels=tmp_path / "l.tif", outlabels_co="COMPRESS=LZW"
    )
    dataset = gdal.Open(str(out))
    assert dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == options.rpartition("=")[2]
    assert dataset.ReadAsArray()[:3].tolist() == (np.arange(400).reshape(20, 20)[4:7, 4:7]).tolist()
    assert gdal.Open(str(tmp_path / "l.tif")).GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "LZW"
    with pytest.raises(ParameterError, match="OUT_CO holds 'LZW'"):
        core.PatchesExtraction(values, source1_out=out, source1_out_co="LZW")
