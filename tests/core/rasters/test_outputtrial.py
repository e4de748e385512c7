"""Formats and options keep what they are given, or are refused before the work; a warning where values are real."""

from __future__ import annotations

from collections.abc import Callable
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
from otbtf_qgis.core.registry import run

WIDTH, HEIGHT = 90, 70
CLASSES = np.array([1, 2, 5, 9], "uint8")


def options(driver: str) -> str:
    return gdal.GetDriverByName(driver).GetMetadataItem("DMD_CREATIONOPTIONLIST") or "" if has(driver) else ""


def has(driver: str) -> bool:
    found = gdal.GetDriverByName(driver)
    return found is not None and bool(found.GetMetadataItem("DCAP_CREATECOPY"))


class Watched(serving.Log):
    """Tells whether work was done."""

    worked = False

    def fraction(self, done: float) -> None:
        self.worked = True


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An image whose only band holds classes as real numbers, and models that return it as classes or as numbers."""
    folder = tmp_path_factory.mktemp("scene")
    labels = np.random.default_rng(5).choice(CLASSES, (HEIGHT, WIDTH, 1))

    def as_labels(x: Any) -> Any:
        import tensorflow as tf

        return tf.cast(x[..., 0], tf.int32)

    pair = [
        serving.pixelwise(folder / "labels", as_labels, 1),
        serving.pixelwise(folder / "same", lambda x: x / 9.0, 1),
    ]
    return {
        "labels": labels,
        "image": serving.write(folder / "image.tif", labels.astype("float32")),
        "of classes": str(pair[0]),
        "of numbers": str(pair[1]),
        "folder": folder,
    }


CASES = [
    # name, OUT_FORMAT, OUT_CO, lossless
    ("out.jp2", "", "", True),
    ("out.jp2", "", "QUALITY=30", False),
    ("out.jp2", "", "QUALITY=30|REVERSIBLE=NO", False),
    ("out.jp2", "", "QUALITY=100", True),
    ("out.jpg", "", "", False),
    ("out.jpg", "", "QUALITY=100", False),
    ("out.tif", "", "COMPRESS=JPEG", False),
    ("out.tif", "", "COMPRESS=LERC", True),
    ("out.tif", "", "COMPRESS=LERC|MAX_Z_ERROR=2", False),
    ("out.tif", "", "NBITS=3", False),
    ("out.tif", "", "NBITS=4", True),
    ("out.tif", "", "DISCARD_LSB=2|COMPRESS=DEFLATE", False),
    ("out.tif", "", "COMPRESS=ZSTD|PREDICTOR=2", True),
    ("out.tif", "COG", "COMPRESS=JPEG", False),
    ("out.tif", "COG", "COMPRESS=LERC|MAX_Z_ERROR=2", False),
    ("out.tif", "COG", "", True),
    ("out.png", "", "", True),
    ("out.gif", "", "", True),
    ("out.img", "", "", True),
    ("out.asc", "AAIGrid", "", True),
    ("out.bmp", "", "", True),
]


def available(name: str, form: str, given: str) -> bool:
    driver = form or {"tif": "GTiff", "jp2": "JP2OpenJPEG", "jpg": "JPEG", "mrf": "MRF", "gif": "GIF"}.get(
        name[4:], "PNG"
    )
    compress = next((part[9:] for part in given.split("|") if part.startswith("COMPRESS=")), "")
    return has(driver) and (not compress or compress in options(driver))


class TestClasses:
    """A map of classes is equal to what the model returned, or nothing is computed."""

    @pytest.mark.parametrize(("name", "form", "given", "lossless"), CASES)
    def test_by_a_classifier(self, tmp_path: Path, name: str, form: str, given: str, lossless: bool) -> None:
        """Its classes 1, 2, 5 and 9 are known: four bits hold them."""
        if not available(name, form, given):
            pytest.skip("not in this GDAL")
        image = serving.write(tmp_path / "image.tif", classifier_scene.pixels())
        classifier = classifier_scene.train_pixels(tmp_path, CLASSES.tolist())
        values = {"in": image, "model": classifier, "out.format": form, "out.co": given, "out.pixeltype": "uint8"}
        log, out = Watched(), tmp_path / name
        if not lossless:
            with pytest.raises(
                RasterError, match="holds classes or labels, but the format .* would change them|paletted image"
            ):
                run("ImageClassifier", {**values, "out": str(out)}, log)
            assert not log.worked and not out.exists() and not serving.hidden(tmp_path)
            return
        run("ImageClassifier", {**values, "out": str(out)}, log)
        run("ImageClassifier", {**values, "out.format": "", "out.co": "", "out": str(tmp_path / "plain.tif")}, log)
        np.testing.assert_array_equal(serving.read(out), serving.read(tmp_path / "plain.tif"))
        assert set(np.unique(serving.read(out))) == set(CLASSES)

    @pytest.mark.parametrize("name", ["out.jp2", "out.tif", "out.png"])
    def test_by_a_served_model(self, scene: dict[str, Any], tmp_path: Path, name: str) -> None:
        out = tmp_path / name
        serving.serve(source1_il=scene["image"], model_dir=scene["of classes"], out=str(out), out_pixeltype="uint8")
        np.testing.assert_array_equal(serving.read(out), scene["labels"])

    @pytest.mark.parametrize(
        ("name", "given"), [("out.jpg", ""), ("out.tif", "COMPRESS=JPEG"), ("out.jp2", "QUALITY=5")]
    )
    def test_by_a_served_model_are_refused(self, scene: dict[str, Any], tmp_path: Path, name: str, given: str) -> None:
        log = Watched()
        with pytest.raises(RasterError, match="holds classes or labels"):
            serving.serve(log, source1_il=scene["image"], model_dir=scene["of classes"], out=str(tmp_path / name),
                          out_pixeltype="uint8", out_co=given)  # fmt: skip
        assert not log.worked and not (tmp_path / name).exists()

    @pytest.mark.parametrize(("driver", "kind"), [("GRIB", "uint8"), ("HF2", "uint16")])
    def test_formats_that_pack_values_by_how_far_they_reach(
        self, scene: dict[str, Any], tmp_path: Path, driver: str, kind: str
    ) -> None:
        """GDAL's GRIB makes the largest of a few small values 0, though it keeps values that use the whole type."""
        if not has(driver):
            pytest.skip("not in this GDAL")
        log = Watched()
        with pytest.raises(RasterError, match="holds classes or labels|cannot hold"):
            serving.serve(log, source1_il=scene["image"], model_dir=scene["of classes"], out=str(tmp_path / "out.bin"),
                          out_pixeltype=kind, out_format=driver)  # fmt: skip
        assert not log.worked and not (tmp_path / "out.bin").exists()

    def test_overviews_of_a_cog_hold_no_other_classes(self, tmp_path: Path) -> None:
        labels = np.random.default_rng(5).choice(np.array([1, 9], "uint8"), (1100, 1100, 1))

        def as_labels(x: Any) -> Any:
            import tensorflow as tf

            return tf.cast(x[..., 0], tf.int32)

        image, net = serving.write(tmp_path / "image.tif", labels), serving.pixelwise(tmp_path / "net", as_labels, 1)
        out = str(tmp_path / "out.tif")
        serving.serve(source1_il=image, model_dir=net, out=out, out_pixeltype="uint8", out_format="COG")
        dataset = gdal.Open(out)
        assert set(np.unique(dataset.GetRasterBand(1).GetOverview(0).ReadAsArray())) == {1, 9}

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ("OVERVIEW_RESAMPLING=AVERAGE", True),
            ("RESAMPLING=BILINEAR", True),
            ("OVERVIEW_RESAMPLING=MODE|RESAMPLING=CUBIC", False),
            ("OVERVIEW_RESAMPLING=AVERAGE|OVERVIEWS=NONE", False),
        ],
    )
    def test_overviews_of_means_are_warned_about(
        self, scene: dict[str, Any], tmp_path: Path, given: str, told: bool
    ) -> None:
        log = serving.Log()
        serving.serve(log, source1_il=scene["image"], model_dir=scene["of classes"], out=str(tmp_path / "out.tif"),
                      out_pixeltype="uint8", out_format="COG", out_co=given)  # fmt: skip
        assert [given in line and "overviews" in line for line in log.warnings] == [True] * told

    def test_labels_of_patches(self, tmp_path: Path) -> None:
        image = serving.write(tmp_path / "image.tif", serving.noise(HEIGHT, WIDTH, 3))
        x, y = serving.ORIGIN[0] + 200, serving.ORIGIN[3] - 200
        vec = write_points(tmp_path / "p.gpkg", [(x + 20 * n, y - 5 * n) for n in range(16)], serving.UTM,
                           **{"class": list(range(100, 116))})  # fmt: skip
        values = {
            "source1.il": [image],
            "source1.patchsizex": 8,
            "source1.patchsizey": 8,
            "vec": vec,
            "field": "class",
            "source1.out": str(tmp_path / "patches.tif"),
        }
        for name, written in (("l.jp2", True), ("l.jpg", False), ("l.png", True)):
            out = tmp_path / name
            if written:
                run("PatchesExtraction", {**values, "outlabels": str(out)}, Progress())
                assert serving.read(out).ravel().tolist() == list(range(100, 116))
            else:
                with pytest.raises(RasterError, match="holds classes or labels"):
                    run("PatchesExtraction", {**values, "outlabels": str(out)}, Progress())
                assert not out.exists()

    def test_patches_of_labels(self, tmp_path: Path) -> None:
        image = serving.write(tmp_path / "labels.tif", serving.noise(HEIGHT, WIDTH, 1))
        vec = write_points(tmp_path / "p.gpkg", [(serving.ORIGIN[0] + 200, serving.ORIGIN[3] - 200)], serving.UTM,
                           **{"class": [1]})  # fmt: skip
        values = {"source1.il": [image], "source1.patchsizex": 8, "source1.patchsizey": 8, "vec": vec, "field": "class"}
        run("PatchesExtraction", {**values, "source1.out": str(tmp_path / "a.jp2")}, Progress())
        assert np.array_equal(serving.read(tmp_path / "a.jp2"), serving.read(image)[16:24, 16:24])
        with pytest.raises(RasterError, match="holds classes or labels"):
            run("PatchesExtraction", {**values, "source1.out": str(tmp_path / "a.jpg")}, Progress())

    def test_a_land_cover_map_is_refused_before_training(self, tmp_path: Path) -> None:
        image = serving.write(tmp_path / "image.tif", classifier_scene.pixels())
        vec = classifier_scene.layer(tmp_path / "fields.gpkg")
        values = {"in": [image], "labels.vector": vec, "labels.field": "class", "epochs": 1, "validation.share": 0}
        log = serving.Log()
        with pytest.raises(RasterError, match="holds classes or labels|cannot hold"):
            run("LandCoverMap", {**values, "out": str(tmp_path / "map.jpg")}, log)
        assert not any("poch" in line for line in log.infos)
        assert not (tmp_path / "map.jpg").exists() and not serving.hidden(tmp_path)


class TestRealValues:
    @pytest.mark.parametrize(
        ("name", "form", "given"),
        [("out.jpg", "", ""), ("out.jp2", "", "QUALITY=20"), ("out.tif", "", "COMPRESS=JPEG")],
    )
    def test_a_warning_where_they_are_not_kept(
        self, scene: dict[str, Any], tmp_path: Path, name: str, form: str, given: str
    ) -> None:
        log = serving.Log()
        serving.serve(log, source1_il=scene["image"], model_dir=scene["of numbers"], out=str(tmp_path / name),
                      out_pixeltype="uint8", out_co=given, out_format=form)  # fmt: skip
        assert any("changes values" in line and "only approximately" in line for line in log.warnings)

    @pytest.mark.parametrize(("name", "given"), [("out.jp2", ""), ("out.tif", ""), ("out.tif", "COMPRESS=LERC")])
    def test_none_where_they_are(self, scene: dict[str, Any], tmp_path: Path, name: str, given: str) -> None:
        log = serving.Log()
        kind = "uint8" if name == "out.jp2" else "auto"
        serving.serve(log, source1_il=scene["image"], model_dir=scene["of numbers"], out=str(tmp_path / name),
                      out_pixeltype=kind, out_co=given)  # fmt: skip
        assert not log.warnings

    def test_none_for_a_picture(self, tmp_path: Path) -> None:
        image = serving.write(tmp_path / "image.tif", serving.noise(64, 8, 3))
        log = serving.Log()
        run("PatchesMosaic", {"in": image, "patchsizey": 8, "out": str(tmp_path / "out.jpg")}, log)
        assert not log.warnings

    def test_a_picture_of_bytes_may_be_a_jpeg(self, tmp_path: Path) -> None:
        image = serving.write(tmp_path / "image.tif", serving.noise(64, 64, 3))
        net = serving.pixelwise(tmp_path / "net", lambda x: x, 3, "uint8")
        log = serving.Log()
        serving.serve(log, source1_il=image, model_dir=net, out=str(tmp_path / "out.jpg"))
        assert any("changes values" in line for line in log.warnings)


class TestWhatAFormatCannotHold:
    """It is refused before anything is computed, and nothing is left."""

    @pytest.mark.parametrize(
        ("name", "bands", "kind", "said"),
        [
            ("out.gpkg", 1, "uint8", "in [12] bands come back as .* in 4"),
            ("out.gpkg", 2, "uint8", "in [12] bands come back as .* in 4"),
            ("out.gpkg", 3, "float", "single band"),
            ("out.jpg", 2, "uint8", "JPEG"),
            ("out.jpg", 1, "int16", "cannot hold int16"),
            ("out.png", 5, "uint8", "PNG"),
            ("out.asc", 2, "int32", "AAIGrid|Arc/Info ASCII"),
            ("out.mbtiles", 3, "uint8", "MBTiles"),
        ],
    )
    def test_is_refused(self, tmp_path: Path, name: str, bands: int, kind: str, said: str) -> None:
        form = "AAIGrid" if name == "out.asc" else ""
        image = serving.write(tmp_path / "image.tif", serving.noise(HEIGHT, WIDTH, bands))
        net = serving.pixelwise(tmp_path / "net", lambda x: x, bands, "float32")
        log = Watched()
        with pytest.raises(OtbtfError, match=said):
            serving.serve(
                log, source1_il=image, model_dir=net, out=str(tmp_path / name), out_pixeltype=kind, out_format=form
            )
        assert not log.worked and not (tmp_path / name).exists() and not serving.hidden(tmp_path)

    def test_too_many_columns_for_jpeg(self, tmp_path: Path) -> None:
        image = serving.write(tmp_path / "image.tif", np.zeros((2, 65501, 1), "uint8"))
        net = serving.pixelwise(tmp_path / "net", lambda x: x, 1, "float32")
        with pytest.raises(RasterError, match="65501 x 2 pixels: the limit is 65500"):
            serving.serve(source1_il=image, model_dir=net, out=str(tmp_path / "out.jpg"), out_pixeltype="uint8")

    @pytest.mark.parametrize("kind", ["int16", "float"])
    def test_one_band_of_numbers_is_kept_by_a_geopackage(
        self, scene: dict[str, Any], tmp_path: Path, kind: str
    ) -> None:
        out = tmp_path / "out.gpkg"
        model = scene["of classes"] if kind == "int16" else scene["of numbers"]
        serving.serve(source1_il=scene["image"], model_dir=model, out=str(out), out_pixeltype=kind)
        wanted = scene["labels"] if kind == "int16" else scene["labels"].astype("float32") / np.float32(9)
        np.testing.assert_array_equal(serving.read(out), wanted)


@pytest.mark.parametrize("beside", [".aux.xml", ".ovr", ".msk"])
@pytest.mark.parametrize("operation", ["TensorflowModelServe", "ImageClassifier", "PatchesExtraction", "PatchesMosaic"])
def test_nothing_of_an_older_output_is_left_beside_a_new_one(
    scene: dict[str, Any], tmp_path: Path, beside: str, operation: str
) -> None:
    out = tmp_path / "out.tif"
    if beside == ".aux.xml":
        serving.write(out, serving.noise(HEIGHT, WIDTH, 1))
        older = gdal.Open(str(out))
        older.GetRasterBand(1).ComputeStatistics(False)
        older.GetRasterBand(1).GetDefaultHistogram(force=True)
        del older
    else:
        serving.write(out, serving.noise(HEIGHT, WIDTH, 1))
        shape = serving.noise(HEIGHT // 2 if beside == ".ovr" else HEIGHT, WIDTH // 2 if beside == ".ovr" else WIDTH, 1)
        serving.write(tmp_path / f"out.tif{beside}", shape)
    assert (tmp_path / f"out.tif{beside}").exists()
    _make(operation, scene, tmp_path, str(out))
    left = tmp_path / f"out.tif{beside}"
    # A map of classes has an attribute table, which GDAL keeps there.
    assert not left.exists() or (operation == "ImageClassifier" and "<GDALRasterAttributeTable" in left.read_text())
    dataset = gdal.Open(str(out))
    band = dataset.GetRasterBand(1)
    assert "STATISTICS_MAXIMUM" not in band.GetMetadata() and band.GetOverviewCount() == 0


def _make(operation: str, scene: dict[str, Any], folder: Path, out: str) -> None:
    makers: dict[str, Callable[[], Any]] = {
        "TensorflowModelServe": lambda: serving.serve(source1_il=scene["image"], model_dir=scene["of numbers"], out=out),
        "ImageClassifier": lambda: run("ImageClassifier", {
            "in": serving.write(folder / "image.tif", classifier_scene.pixels()),
            "model": classifier_scene.train_pixels(folder), "out": out}, Progress()),
        "PatchesMosaic": lambda: run("PatchesMosaic", {
            "in": serving.write(folder / "image.tif", serving.noise(64, 8, 3)), "patchsizey": 8, "out": out}, Progress()),
        "PatchesExtraction": lambda: run("PatchesExtraction", {
            "source1.il": [serving.write(folder / "image.tif", serving.noise(HEIGHT, WIDTH, 3))],
            "source1.patchsizex": 8, "source1.patchsizey": 8, "source1.out": out, "field": "class",
            "vec": write_points(folder / "p.gpkg", [(serving.ORIGIN[0] + 200, serving.ORIGIN[3] - 200)], serving.UTM,
                                **{"class": [1]})}, Progress()),
    }  # fmt: skip
    makers[operation]()
