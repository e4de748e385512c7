"""Bands that are marked as alpha: masks where they are nothing else, and bands otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marked_rasters import made
from osgeo import gdal, ogr
from points import write_points
from range_server import RangeServer
from serving import Log, read

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, ModelError, ParameterError
from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.parameters.nodatarules import WITH_GAPS
from otbtf_qgis.core.parameters.rastersource import RasterSource
from otbtf_qgis.core.rasters.alpha import open_images, said
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.workflows import commandline

HEIGHT, WIDTH = 30, 40
BANDS = np.random.default_rng(0).integers(1, 255, (HEIGHT, WIDTH, 3)).astype("uint8")
GAP = np.zeros((HEIGHT, WIDTH), bool)
GAP[5:12, 8:20] = True


def image(path: Path, alpha: np.ndarray | None = None, **more: Any) -> str:
    """Three bands and an alpha band, which is 0 in the gap and 255 elsewhere where nothing else is given."""
    alpha = np.where(GAP, 0, 255) if alpha is None else alpha
    return made(path, np.dstack([BANDS, alpha.astype("uint8")]), alpha=True, **more)


def opened(path: str, choice: str = "auto", wanted: int | None = None, known: str = "") -> tuple[Stack, Log]:
    log = Log()
    return open_images([path], choice, log, wanted, known), log


def near_infrared(path: Path) -> str:
    """What GDAL makes of four bytes per pixel when nobody says what the bands are."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), WIDTH, HEIGHT, 4, gdal.GDT_Byte)
    for band in range(4):
        dataset.GetRasterBand(band + 1).WriteArray(BANDS[..., band % 3])
    del dataset
    return str(path)


def test_a_band_that_holds_only_0_and_its_largest_value_is_a_mask(tmp_path: Path) -> None:
    stack, log = opened(image(tmp_path / "a.tif"))
    assert (stack.bands, said(stack)) == (3, "mask")
    np.testing.assert_array_equal(stack.read(stack.grid.box), BANDS)
    assert stack.missing().read(stack.grid.box).tolist() == GAP.tolist()
    assert stack.without_data(Box(0, 0, 4, 4)) is None
    assert "Band 4 of" in "\n".join(log.infos)
    assert "used as the mask" in "\n".join(log.infos)
    assert not log.warnings


@pytest.mark.parametrize("south_up", [False, True])
def test_a_mask_lies_where_the_pixels_lie(south_up: bool, tmp_path: Path) -> None:
    stack, _ = opened(image(tmp_path / "a.tif", south_up=south_up))
    box = Box(6, 3, 9, 7)
    np.testing.assert_array_equal(stack.read(box), BANDS[3:10, 6:15])
    assert stack.missing().read(box).tolist() == GAP[3:10, 6:15].tolist()


def test_near_infrared_that_gdal_marks_as_alpha_stays_a_band(tmp_path: Path) -> None:
    path = near_infrared(tmp_path / "a.tif")
    assert gdal.Open(path).GetRasterBand(4).GetColorInterpretation() == gdal.GCI_AlphaBand
    stack, log = opened(path)
    assert (stack.bands, said(stack)) == (4, "band")
    assert not stack.missing().possible
    assert len(log.warnings) == 1
    assert "ALPHA=mask" in log.warnings[0]


def test_the_choice_decides_where_it_is_made(tmp_path: Path) -> None:
    soft = image(tmp_path / "soft.tif", np.where(GAP, 0, 128))
    stack, log = opened(soft, "mask")
    assert (stack.bands, log.warnings) == (3, [])
    assert stack.missing().read(stack.grid.box).tolist() == GAP.tolist()  # half transparent is not missing
    stack, log = opened(image(tmp_path / "a.tif"), "band")
    assert (stack.bands, log.warnings, said(stack)) == (4, [], "band")
    assert opened(soft)[0].bands == 4


def test_a_band_that_is_asked_for_is_a_band_and_not_even_looked_at(tmp_path: Path) -> None:
    stack, log = opened(image(tmp_path / "a.tif"), wanted=4)
    assert (stack.bands, log.warnings) == (4, [])
    assert opened(image(tmp_path / "b.tif"), wanted=3)[0].bands == 3
    assert opened(image(tmp_path / "c.tif"), wanted=4, known="mask")[0].bands == 4


def test_what_was_decided_for_training_holds(tmp_path: Path) -> None:
    soft = image(tmp_path / "soft.tif", np.where(GAP, 0, 128))
    assert opened(soft, known="mask")[0].bands == 3
    assert opened(image(tmp_path / "a.tif"), known="band")[0].bands == 4
    assert opened(soft, "band", known="mask")[0].bands == 4


def test_only_as_much_is_read_as_shows_that_a_band_is_no_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from otbtf_qgis.core.rasters import alpha

    monkeypatch.setattr(alpha, "_PIXELS", WIDTH * 2)
    seen: list[int] = []
    read_alpha = Stack.read_alpha
    monkeypatch.setattr(Stack, "read_alpha", lambda s, a, box: (seen.append(box.y), read_alpha(s, a, box))[1])
    values = np.full((HEIGHT, WIDTH), 255)
    values[4, 30] = 7
    opened(image(tmp_path / "a.tif", values, options=("TILED=NO", "BLOCKYSIZE=1")))
    assert seen == [0, 2, 4]


def test_looking_can_be_cancelled(tmp_path: Path) -> None:
    class Stop(Progress):
        def cancelled(self) -> bool:
            return True

    with pytest.raises(Cancelled):
        open_images([image(tmp_path / "a.tif")], "auto", Stop())


def test_each_file_of_a_stack_is_decided_by_itself(tmp_path: Path) -> None:
    one, two = image(tmp_path / "a.tif"), near_infrared(tmp_path / "b.tif")
    gdal.Open(two, gdal.GA_Update).SetGeoTransform(gdal.Open(one).GetGeoTransform())
    dataset = gdal.Open(two, gdal.GA_Update)
    dataset.SetProjection(gdal.Open(one).GetProjection())
    del dataset
    stack = open_images([one, two], "auto", Log())
    assert (stack.bands, said(stack)) == (7, "")
    np.testing.assert_array_equal(stack.read(stack.grid.box), np.dstack([BANDS, BANDS, BANDS[..., 0]]))
    assert not stack.missing().possible  # the second file has data everywhere
    assert stack.missing(rule=WITH_GAPS).marked(stack.read(stack.grid.box), stack.grid.box).tolist() == GAP.tolist()


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer() as server:
        yield server


def test_a_raster_at_an_address_is_not_read_for_that(server: RangeServer, tmp_path: Path) -> None:
    address = server.add("/a.tif", Path(image(tmp_path / "a.tif")).read_bytes())
    stack, log = opened(address)
    assert stack.bands == 4
    assert "the raster is remote" in log.warnings[0]
    assert "ALPHA=mask" in log.warnings[0]
    stack, log = opened(address, "mask")
    assert stack.missing().read(stack.grid.box).tolist() == GAP.tolist()


def test_masks_and_descriptions_hold_for_rasters_at_addresses(server: RangeServer, tmp_path: Path) -> None:
    mask = np.where(GAP, 0, 255).astype("uint8")
    path = made(tmp_path / "a.tif", BANDS, None, mask)
    address = server.add("/a.tif", Path(path).read_bytes())
    stack = Stack([RasterSource(address, crs="EPSG:32631", nodata=[[[1, 9]]] * 3)])
    assert stack.reference.describe() == "EPSG:32631"
    low = ((BANDS >= 1) & (BANDS <= 9)).all(axis=2)
    assert stack.missing().read(stack.grid.box).tolist() == (GAP | low).tolist()
    assert {asked.path for asked in server.asked} == {"/a.tif"}  # no files beside it are looked for


def test_a_raster_of_nothing_but_alpha_has_that_band() -> None:
    dataset = gdal.GetDriverByName("MEM").Create("", 4, 4, 1, gdal.GDT_Byte)
    dataset.GetRasterBand(1).SetColorInterpretation(gdal.GCI_AlphaBand)
    assert open_images([dataset], "mask", Log()).bands == 1


# --------------------------------------------------------- from patches to maps


def network(folder: Path, bands: int | None) -> str:
    keras = pytest.importorskip("keras")
    inputs = keras.Input((None, None, bands), name="x")
    path = str(folder / f"net{bands}.keras")
    keras.Model(inputs, inputs[..., :1] * 2).save(path)
    return path


def served(folder: Path, model: str, source: str, **more: Any) -> tuple[np.ndarray, Log]:
    log, out = Log(), str(folder / "out.tif")
    values = {"source1.il": [source], "model.dir": model, "output.bv": -1, "out": out, **more}
    registry.run("TensorflowModelServe", values, log)
    return read(out).reshape(HEIGHT, WIDTH), log


def test_the_number_of_bands_that_a_model_takes_decides(tmp_path: Path) -> None:
    source = image(tmp_path / "a.tif")
    twice = BANDS[..., 0] * 2.0
    found, _ = served(tmp_path, network(tmp_path, 3), source)
    np.testing.assert_array_equal(found, np.where(GAP, -1, twice))
    found, log = served(tmp_path, network(tmp_path, 4), source)
    np.testing.assert_array_equal(found, twice)
    assert "4 bands are needed" in "\n".join(log.infos)
    with pytest.raises(ModelError, match="ALPHA=mask"):
        served(tmp_path, network(tmp_path, 3), image(tmp_path / "soft.tif", np.where(GAP, 0, 128)))
    with pytest.raises(ModelError, match="ALPHA=band"):
        served(tmp_path, network(tmp_path, 4), source, alpha="mask")


def test_what_was_decided_is_kept_with_patches_and_model_and_used_again(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    soft = image(tmp_path / "soft.tif", np.where(GAP, 0, 128))
    places = [(300005.0 + 10 * x, 3999995.0 - 10 * y) for x in range(0, WIDTH, 3) for y in range(0, HEIGHT, 3)]
    points = write_points(tmp_path / "p.gpkg", places, **{"class": [n % 2 for n in range(len(places))]})
    patches, labels = str(tmp_path / "patches.tif"), str(tmp_path / "labels.tif")
    size = {"source1.patchsizex": 1, "source1.patchsizey": 1, "vec": points, "field": "class"}
    cut = {"source1.il": [soft], "source1.out": patches, "outlabels": labels, "alpha": "mask", **size}
    registry.run("PatchesExtraction", cut, Log())
    assert read(patches).shape[-1] == 3
    assert json.loads(Path(f"{patches}.json").read_text())["alpha"] == "mask"
    inputs = keras.Input((1, 1, None), name="x")  # any number of bands
    first = keras.layers.Flatten()(inputs[..., :3])
    model = str(tmp_path / "net.keras")
    keras.Model(inputs, keras.layers.Dense(2, "softmax", name="y")(keras.layers.Reshape((3,))(first))).save(model)
    trained = {"out.keras": str(tmp_path / "trained.keras"), "model.saveto": str(tmp_path / "saved")}
    il = {"training.source1.il": [patches], "training.source2.il": [labels]}
    registry.run("TensorflowModelTrain", {"model.dir": model, "training.epochs": 1, **il, **trained}, Log())
    for sidecar in (tmp_path / "trained.keras.json", tmp_path / "saved" / "mlm.json"):
        described = json.loads(sidecar.read_text())["properties"]["mlm:input"]
        assert [entry["otbtf:alpha"] for entry in described] == ["mask"]
    found, log = served(tmp_path, trained["out.keras"], soft, **{"output.bv": 9})
    assert ((found == 9) == GAP).all()
    assert "as it was for the model's training" in "\n".join(log.infos)


def test_patches_are_read_with_all_of_their_bands(tmp_path: Path) -> None:
    path = near_infrared(tmp_path / "a.tif")
    Path(f"{path}.json").write_text(json.dumps({"version": 1, "content": "patches"}))
    log = Log()
    values = {"source1.il": [path], "template": "cnn16", "classes": 2, "out.keras": str(tmp_path / "net.keras")}
    registry.run("CreateModel", values, log)
    assert "alpha" not in "\n".join(log.infos).lower()
    assert not log.warnings


def test_on_command_lines_alpha_is_a_band_as_in_otb() -> None:
    line = "otbcli_TensorflowModelServe -source1.il a.tif -model.dir m -out b.tif"
    assert commandline.parse_commands(line)[0].values["alpha"] == "band"
    given = commandline.parse_commands(f"{line} -alpha mask")[0]
    assert given.values["alpha"] == "mask"


def test_labels_with_an_alpha_band_are_labels(tmp_path: Path) -> None:
    labels = np.dstack([np.full((HEIGHT, WIDTH), 3), np.where(GAP, 0, 255)]).astype("uint8")
    path = made(tmp_path / "labels.tif", labels, alpha=True)
    out = str(tmp_path / "s.gpkg")
    log = Log()
    registry.run("LabelImageSampleSelection", {"inref": path, "strategy": "all", "outvec": out}, log)
    dataset = ogr.Open(out)
    assert dataset.GetLayer(0).GetFeatureCount() == int((~GAP).sum())
    with pytest.raises(ParameterError, match="2 bands"):
        registry.run("LabelImageSampleSelection", {"inref": path, "outvec": out, "alpha": "band"}, log)
