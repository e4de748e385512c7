"""Rasters without a geotransform, which control points, RPCs or geolocation arrays place; and complex ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import classifier_scene
import numpy as np
import pytest
import serving
from osgeo import gdal
from points import write_points

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import OtbtfError, RasterError
from otbtf_qgis.core.rasters.inmemory import selected
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.registry import run

WIDTH, HEIGHT = 60, 48
POINTS = [
    (0.0, 0.0, 140.0, 36.0),
    (60.0, 0.0, 140.01, 36.001),
    (0.0, 48.0, 140.001, 35.99),
    (60.0, 48.0, 140.02, 35.98),
]
WGS84 = 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],' \
        'UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'  # fmt: skip
RPC = {
    "LINE_OFF": "24", "SAMP_OFF": "30", "LAT_OFF": "36", "LONG_OFF": "140", "HEIGHT_OFF": "0",
    "LINE_SCALE": "24", "SAMP_SCALE": "30", "LAT_SCALE": "0.01", "LONG_SCALE": "0.01", "HEIGHT_SCALE": "500",
    "LINE_NUM_COEFF": " ".join(["0", "0", "-1"] + ["0"] * 17), "LINE_DEN_COEFF": " ".join(["1"] + ["0"] * 19),
    "SAMP_NUM_COEFF": " ".join(["0", "1"] + ["0"] * 18), "SAMP_DEN_COEFF": " ".join(["1"] + ["0"] * 19),
}  # fmt: skip
GEOLOCATION = {
    "X_DATASET": "lon.tif", "X_BAND": "1", "Y_DATASET": "lat.tif", "Y_BAND": "1", "PIXEL_OFFSET": "0",
    "LINE_OFFSET": "0", "PIXEL_STEP": "1", "LINE_STEP": "1", "SRS": WGS84,
}  # fmt: skip


def placed(path: Path, kind: str = "points", shift: float = 0.0, bands: int = 3, dtype: str = "uint8") -> str:
    """Write a raster of noise that only points of one kind place."""
    pixels = serving.noise(HEIGHT, WIDTH, bands).astype(dtype)
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), WIDTH, HEIGHT, bands, gdal.GetDataTypeByName(
        {"uint8": "Byte", "uint16": "UInt16"}[dtype]))  # fmt: skip
    dataset.WriteArray(np.moveaxis(pixels, -1, 0) if bands > 1 else pixels[..., 0])
    if kind == "points":
        dataset.SetGCPs([gdal.GCP(x + shift, y, 0, column, row) for column, row, x, y in POINTS], WGS84)
    elif kind == "rpc":
        dataset.SetMetadata({**RPC, "LONG_OFF": str(140 + shift)}, "RPC")
    elif kind == "geolocation":
        dataset.SetMetadata({**GEOLOCATION, "PIXEL_OFFSET": str(int(shift))}, "GEOLOCATION")
    return str(path)


def placement(path: str) -> Any:
    """Return what GDAL says of a raster's points."""
    dataset = gdal.Open(path)
    points = [(p.GCPPixel, p.GCPLine, p.GCPX, p.GCPY) for p in dataset.GetGCPs() or ()]
    rpc, arrays = dataset.GetMetadata("RPC"), dataset.GetMetadata("GEOLOCATION")
    numbers = {key: [float(word) for word in rpc[key].split()] for key in RPC if key in rpc}
    return points, "4326" in (dataset.GetGCPProjection() or ""), numbers, arrays.get("X_DATASET", "")


KINDS = ("points", "rpc", "geolocation")
WORDS = {"points": "only ground control points", "rpc": "only RPCs", "geolocation": "only geolocation arrays"}
CURES = {"points": "-tps", "rpc": "-rpc", "geolocation": "-geoloc"}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    return serving.pixelwise(tmp_path_factory.mktemp("net") / "net", lambda x: x, 3, "uint8")


class TestHandedOn:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("driver", ["", "COG", "HFA"])
    def test_by_serving(self, tmp_path: Path, net: str, kind: str, driver: str) -> None:
        if driver == "HFA" and kind == "points":
            pytest.skip("kept in another form there")
        image, out = placed(tmp_path / "image.tif", kind), str(tmp_path / ("out.img" if driver == "HFA" else "out.tif"))
        if (driver, kind) == ("COG", "geolocation"):
            with pytest.raises(RasterError, match="cannot hold the geolocation arrays"):
                serving.serve(source1_il=image, model_dir=net, out=out, out_format=driver)
            return
        serving.serve(source1_il=image, model_dir=net, out=out, out_format=driver)
        assert placement(out) == placement(image) != ([], False, {}, "")
        np.testing.assert_array_equal(serving.read(Path(out)), serving.read(Path(image)))

    @pytest.mark.parametrize("kind", KINDS)
    def test_by_classifying(self, tmp_path: Path, kind: str) -> None:
        image = placed(tmp_path / "image.tif", kind, dtype="uint16")
        classifier = classifier_scene.train_pixels(tmp_path)
        out, confmap = str(tmp_path / "out.tif"), str(tmp_path / "confidence.tif")
        run("ImageClassifier", {"in": image, "model": classifier, "out": out, "confmap": confmap}, Progress())
        assert placement(out) == placement(confmap) == placement(image)

    @pytest.mark.parametrize("kind", KINDS)
    def test_by_otbs_small_applications(self, tmp_path: Path, kind: str) -> None:
        image, out = placed(tmp_path / "image.tif", kind), str(tmp_path / "out.tif")
        for name, values in (
            ("BandMathX", {"il": [image], "exp": "im1"}),
            ("ConcatenateImages", {"il": [image, image]}),
            ("ManageNoData", {"in": image}),
        ):
            run(name, {**values, "out": out}, Progress())
            assert placement(out) == placement(image)
        for name, values in (
            ("BandMathX", {"il": [image], "exp": "idxPhyX"}),
            ("ExtractROI", {"in": image, "sizex": 5, "sizey": 5}),
            ("Superimpose", {"inr": image, "inm": image}),
        ):
            with pytest.raises(RasterError, match=WORDS[kind]):
                run(name, {**values, "out": str(tmp_path / "other.tif")}, Progress())

    def test_rpcs_beside_a_geotransform(self, tmp_path: Path, net: str) -> None:
        image = placed(tmp_path / "image.tif", "rpc")
        dataset = gdal.Open(image, gdal.GA_Update)
        dataset.SetGeoTransform((300000, 10, 0, 4000000, 0, -10))
        dataset.SetProjection(WGS84.replace("4326", "4326"))
        del dataset
        whole, part = str(tmp_path / "whole.tif"), str(tmp_path / "part.tif")
        serving.serve(source1_il=image, model_dir=net, out=whole)
        serving.serve(source1_il=image, model_dir=net, out=part, out_box="5:5:20:20")
        assert placement(whole)[2] == placement(image)[2] != {}
        assert placement(part)[2] == {}
        assert gdal.Open(part).GetGeoTransform() == (300050, 10, 0, 3999950, 0, -10)

    @pytest.mark.parametrize(
        "more", [{"out_box": "5:5:20:20"}, {"output_spcscale": "2", "model_fullyconv": "off"}, {"extent": "0,10,-10,0"}]
    )
    @pytest.mark.parametrize("kind", KINDS)
    def test_other_pixels_are_refused(self, tmp_path: Path, net: str, kind: str, more: dict[str, str]) -> None:
        image, out = placed(tmp_path / "image.tif", kind), tmp_path / "out.tif"
        with pytest.raises(RasterError, match=rf"{WORDS[kind]}.*Warp it .*gdalwarp {CURES[kind]}"):
            serving.serve(source1_il=image, model_dir=net, out=str(out), **more)
        assert not out.exists()

    @pytest.mark.parametrize("kind", KINDS)
    def test_skipcarto_leaves_them_out(self, tmp_path: Path, kind: str) -> None:
        reference = Stack([selected(placed(tmp_path / "image.tif", kind), without_place=True)]).reference
        assert not reference.placement and not reference.georeferenced


class TestDiffering:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("other", ["moved", "none"])
    def test_stacks_and_sources_are_refused(self, tmp_path: Path, kind: str, other: str) -> None:
        one = placed(tmp_path / "one.tif", kind)
        two = placed(tmp_path / "two.tif", kind if other == "moved" else "none", shift=1.0)
        for order in ([one, two], [two, one]):
            with pytest.raises(RasterError, match=rf"one\.tif|two\.tif .*{WORDS[kind]}.*does not have the same"):
                Stack(order, placed=False)
        net = serving.pixelwise(tmp_path / "net", lambda x: x, 3, "uint8")
        with pytest.raises(RasterError, match="does not have the same"):
            serving.serve(source1_il=one, source2_il=two, model_dir=net, out=str(tmp_path / "out.tif"))

    @pytest.mark.parametrize("kind", KINDS)
    def test_equal_ones_are_taken(self, tmp_path: Path, kind: str) -> None:
        one, two = placed(tmp_path / "one.tif", kind), placed(tmp_path / "two.tif", kind)
        assert Stack([one, two], placed=False).bands == 6

    def test_a_mask_elsewhere(self, tmp_path: Path) -> None:
        image = placed(tmp_path / "image.tif", dtype="uint16")
        mask = placed(tmp_path / "mask.tif", bands=1, shift=1.0)
        classifier = classifier_scene.train_pixels(tmp_path)
        values = {"in": image, "mask": mask, "model": classifier, "out": str(tmp_path / "out.tif")}
        with pytest.raises(RasterError, match="does not have the same"):
            run("ImageClassifier", values, Progress())
        equal = placed(tmp_path / "equal.tif", bands=1)
        run("ImageClassifier", {**values, "mask": equal}, Progress())


@pytest.mark.parametrize("kind", KINDS)
class TestSampling:
    """Where coordinates are looked up, or points made, no raster is taken that has none."""

    def operations(self, folder: Path, image: str, one: str) -> dict[str, dict[str, Any]]:
        vec = write_points(folder / "points.gpkg", [(5.0, -5.0), (20.0, -20.0)], 4326, **{"class": [1, 2]})
        out = str(folder / "out.gpkg")
        return {
            "PatchesSelection": {"in": image, "grid.step": 8, "grid.psize": 8, "strategy": "all", "outtrain": out},
            "LabelImageSampleSelection": {"inref": one, "outvec": out},
            "PolygonClassStatistics": {"in": image, "vec": vec, "field": "class", "out": str(folder / "o.xml")},
            "DensePolygonClassStatistics": {"in": image, "vec": vec, "field": "class", "out": str(folder / "o.xml")},
            "SampleSelection": {"in": image, "vec": vec, "field": "class", "out": out, "strategy": "all"},
            "SampleExtraction": {"in": image, "vec": vec, "out": out},
            "PatchesExtraction": {
                "source1.il": [image], "source1.patchsizex": 4, "source1.patchsizey": 4,
                "source1.out": str(folder / "o.tif"), "vec": vec, "field": "class"},
            "ComputeConfusionMatrix": {
                "in": one, "ref": "vector", "ref.vector.in": vec, "ref.vector.field": "class",
                "out": str(folder / "o.csv")},
            "LandCoverMap": {
                "in": [image], "labels.vector": vec, "labels.field": "class", "out": str(folder / "o.tif")},
        }  # fmt: skip

    def test_is_refused(self, tmp_path: Path, kind: str) -> None:
        image, one = placed(tmp_path / "image.tif", kind), placed(tmp_path / "one.tif", kind, bands=1)
        for name, values in self.operations(tmp_path, image, one).items():
            with pytest.raises(RasterError, match=rf"{WORDS[kind]}, so positions .* Warp it .*{CURES[kind]}"):
                run(name, values, Progress())

    def test_a_map_is_compared_with_a_reference_of_the_same_pixels(self, tmp_path: Path, kind: str) -> None:
        one, two = placed(tmp_path / "one.tif", kind, bands=1), placed(tmp_path / "two.tif", kind, bands=1)
        values = {"in": one, "ref": "raster", "ref.raster.in": two, "out": str(tmp_path / "o.csv")}
        assert run("ComputeConfusionMatrix", values, Progress())["overall_accuracy"] == 1.0
        values["ref.raster.in"] = placed(tmp_path / "three.tif", kind, bands=1, shift=1.0)
        with pytest.raises(RasterError, match="does not have the same"):
            run("ComputeConfusionMatrix", values, Progress())


# ------------------------------------------------------------------------------------------ complex rasters


def complex_raster(path: Path, bands: int = 3) -> str:
    """Write a raster of complex numbers."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), WIDTH, HEIGHT, bands, gdal.GDT_CFloat32)
    dataset.SetGeoTransform(serving.ORIGIN)
    dataset.SetProjection(WGS84)
    values = np.random.default_rng(0).normal(size=(2, bands, HEIGHT, WIDTH)).astype("float32")
    for band in range(bands):
        dataset.GetRasterBand(band + 1).WriteArray(values[0, band] + 1j * values[1, band])
    return str(path)


class TestComplex:
    def test_is_refused_by_every_operation(self, tmp_path: Path) -> None:
        image, one = complex_raster(tmp_path / "image.tif"), complex_raster(tmp_path / "one.tif", 1)
        operations = TestSampling().operations(tmp_path, image, one)
        classifier = classifier_scene.train_pixels(tmp_path)
        operations["ImageClassifier"] = {"in": image, "model": classifier, "out": str(tmp_path / "o.tif")}
        operations["PatchesMosaic"] = {"in": image, "patchsizey": 4, "out": str(tmp_path / "o.tif")}
        net = serving.pixelwise(tmp_path / "net", lambda x: x, 3, "float32")
        operations["TensorflowModelServe"] = {
            "source1.il": [image], "model.dir": str(net), "out": str(tmp_path / "o.tif")}  # fmt: skip
        for name, values in operations.items():
            with pytest.raises(OtbtfError, match=r"(image|one)\.tif holds complex numbers.*abs\(A\)"):
                run(name, values, Progress())
            assert not list(tmp_path.glob("o.*"))

    def test_a_model_of_complex_numbers_takes_them(self, tmp_path: Path) -> None:
        import tensorflow as tf

        image, out = complex_raster(tmp_path / "image.tif"), tmp_path / "out.tif"
        net = serving.pixelwise(tmp_path / "net", tf.math.imag, 3, "complex64")
        serving.serve(source1_il=image, model_dir=net, out=str(out), model_fullyconv="on",
                      source1_rfieldx=1, source1_rfieldy=1)  # fmt: skip
        np.testing.assert_array_equal(serving.read(out), serving.read(Path(image)).imag)
