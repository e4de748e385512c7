"""Maps by classifiers: of an image's pixels, and of deep features, which are the same as in two steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import classifier_scene as scene
import numpy as np
import pytest
import serving
from osgeo import gdal

from otbtf_qgis.core.accuracy import matrixfile
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.classes.legend import raster_legend
from otbtf_qgis.core.classifiers.classifyimage import ClassifiedPixels
from otbtf_qgis.core.errors import Cancelled
from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.rasters.rasterstack import Stack

PATCHES = {"fullyconv": "off", "source1__rfieldx": 7, "source1__rfieldy": 7}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    image = scene.pixels()
    serving.write(folder / "image.tif", image)
    scene.layer(folder / "training.gpkg")
    serving.convolutions(folder / "net", 3, outputs=4)
    return folder


@pytest.fixture(scope="module")
def forest(folder: Path) -> str:
    return scene.train_pixels(folder)


@pytest.fixture(scope="module")
def deep(folder: Path) -> dict[str, Any]:
    return scene.train_deep(
        folder,
        str(folder / "image.tif"),
        str(folder / "net"),
        str(folder / "training.gpkg"),
        out__report=str(folder / "report.html"),
        confmatout=str(folder / "matrix.csv"),
    )


def quarters() -> np.ndarray:
    """The class of each pixel of the image."""
    shape = scene.HEIGHT // 2, scene.WIDTH // 2
    return np.block([[np.full(shape, label) for label in row] for row in ((3, 4), (9, 20))])


class TestPixels:
    def test_map_and_confidence(self, folder: Path, forest: str, tmp_path: Path) -> None:
        outs = {"out": str(tmp_path / "map.tif"), "confmap": str(tmp_path / "sure.tif")}
        found = scene.run("ImageClassifier", **{"in": str(folder / "image.tif")}, model=forest, **outs)
        labels, sure = (serving.read(path)[..., 0] for path in outs.values())
        assert (labels == quarters()).mean() > 0.9
        assert (labels.dtype, sure.dtype) == (np.dtype("uint8"), np.dtype("float32"))
        assert 0.25 <= sure.min() <= sure.max() <= 1
        assert sure[labels == quarters()].mean() > sure[labels != quarters()].mean()
        assert (found["width"], found["height"], found["out"]) == (scene.WIDTH, scene.HEIGHT, outs["out"])
        dataset = gdal.Open(outs["out"])
        assert dataset.GetGeoTransform() == serving.ORIGIN
        assert dataset.GetRasterBand(1).GetNoDataValue() is None
        assert not serving.hidden(tmp_path)

    def test_no_data_mask_and_nan(self, folder: Path, forest: str, tmp_path: Path) -> None:
        image = scene.pixels().astype("float32")
        image[:5, :7] = -1
        image[10, 10, 1] = np.nan
        mask = np.ones((*image.shape[:2], 1), "uint8")
        mask[40:] = 0
        values = {"in": serving.write(tmp_path / "image.tif", image, nodata=-1), "model": forest, "nodatalabel": 255}
        values |= {"mask": serving.write(tmp_path / "mask.tif", mask), "out": str(tmp_path / "map.tif")}
        log = serving.Log()
        scene.run("ImageClassifier", log, **values, confmap=str(tmp_path / "sure.tif"))
        labels, sure = (serving.read(tmp_path / name)[..., 0] for name in ("map.tif", "sure.tif"))
        expected = np.zeros(labels.shape, bool)
        expected[:5, :7] = expected[40:] = expected[10, 10] = True
        np.testing.assert_array_equal(labels == 255, expected)
        np.testing.assert_array_equal(sure == 0, expected)
        assert [serving.nodata_of(tmp_path / name) for name in ("map.tif", "sure.tif")] == [255, 0]
        assert [line for line in log.warnings if line.startswith("1 pixel is NaN")]
        scene.run("ImageClassifier", **{**values, "nodata_from_layer": "off"})
        assert (serving.read(tmp_path / "map.tif")[:5, :7] != 255).all()

    def test_tiles_outside_the_mask_are_not_read(
        self, folder: Path, forest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mask = np.zeros((scene.HEIGHT, scene.WIDTH, 1), "uint8")
        mask[:9, :9] = 1
        image, given = str(folder / "image.tif"), {"mask": serving.write(tmp_path / "mask.tif", mask)}
        scene.run("ImageClassifier", **{"in": image, "model": forest, "out": str(tmp_path / "map.tif")})
        whole, read, fill = serving.read(tmp_path / "map.tif")[..., 0], [], Stack._fill

        def counted(stack: Stack, array: np.ndarray, box: Box) -> None:
            read.append(box.area if stack.names == (image,) else 0)
            fill(stack, array, box)

        monkeypatch.setattr(Stack, "_fill", counted)
        monkeypatch.setattr(ClassifiedPixels, "tile_size", lambda *_: (8, 8))
        values = {"in": image, "model": forest, "nodatalabel": 255, "out": str(tmp_path / "map.tif"), **given}
        scene.run("ImageClassifier", **values)
        np.testing.assert_array_equal(
            serving.read(tmp_path / "map.tif")[..., 0], np.where(mask[..., 0] == 1, whole, 255)
        )
        assert sum(read) == 4 * 64

    def test_a_no_data_label_that_is_a_class_is_told(self, forest: str, tmp_path: Path) -> None:
        image = serving.write(tmp_path / "image.tif", scene.pixels(), nodata=0)
        log = serving.Log()
        scene.run("ImageClassifier", log, **{"in": image}, model=forest, nodatalabel=9, out=str(tmp_path / "map.tif"))
        assert [line for line in log.warnings if "NODATALABEL is 9, but this is also the class 9" in line]

    def test_a_part_has_the_pixels_of_the_whole(self, folder: Path, forest: str, tmp_path: Path) -> None:
        values = {"in": str(folder / "image.tif"), "model": forest}
        scene.run("ImageClassifier", **values, out=str(tmp_path / "whole.tif"))
        scene.run("ImageClassifier", **values, out=str(tmp_path / "part.tif"), out__box="20:10:30:12")
        whole, part = (serving.read(tmp_path / name) for name in ("whole.tif", "part.tif"))
        np.testing.assert_array_equal(part, whole[10:22, 20:50])

    def test_tiles_do_not_show(
        self, folder: Path, forest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from otbtf_qgis.core.classifiers import classifyimage

        values = {"in": str(folder / "image.tif"), "model": forest}
        scene.run("ImageClassifier", **values, out=str(tmp_path / "whole.tif"))
        monkeypatch.setattr(classifyimage.ClassifiedPixels, "tile_size", lambda *_: (17, 11))
        scene.run("ImageClassifier", **values, out=str(tmp_path / "tiles.tif"))
        np.testing.assert_array_equal(*(serving.read(tmp_path / name) for name in ("whole.tif", "tiles.tif")))

    def test_statistics_of_another_image(self, folder: Path, forest: str, tmp_path: Path) -> None:
        """An image twice as bright, with its own statistics, gives the map of the first with its own."""
        image = scene.pixels().astype("float32")
        values = {"model": forest}
        for name, array in (("one", image), ("two", 2 * image + 50)):
            flat = array.reshape(-1, 3).astype("float64")
            vectors = [
                "".join(f'<StatisticVector value="{value!r}"/>' for value in found.tolist())
                for found in (flat.mean(axis=0), flat.std(axis=0))
            ]
            (tmp_path / f"{name}.xml").write_text(
                f'<FeatureStatistics><Statistic name="mean">{vectors[0]}</Statistic>'
                f'<Statistic name="stddev">{vectors[1]}</Statistic></FeatureStatistics>'
            )
            values |= {"in": serving.write(tmp_path / f"{name}.tif", array), "imstat": str(tmp_path / f"{name}.xml")}
            scene.run("ImageClassifier", **values, out=str(tmp_path / f"{name}_map.tif"))
        one, two = (serving.read(tmp_path / f"{name}_map.tif") for name in ("one", "two"))
        assert (one == two).mean() > 0.99  # but for rounding
        assert (one[..., 0] == quarters()).mean() > 0.8

    @pytest.mark.parametrize(("labels", "dtype"), [((3, 4, 9, 300), "int16"), ((-1, 4, 9, 70000), "int32")])
    def test_large_and_negative_labels(self, folder: Path, tmp_path: Path, labels: Any, dtype: str) -> None:
        classifier = scene.train_pixels(tmp_path, labels)
        scene.run(
            "ImageClassifier", **{"in": str(folder / "image.tif")}, model=classifier, out=str(tmp_path / "map.tif")
        )
        found = serving.read(tmp_path / "map.tif")
        assert found.dtype == dtype
        assert set(np.unique(found)) == set(labels)

    def test_texts_become_numbers_with_names(self, folder: Path, tmp_path: Path) -> None:
        names = {3: "water", 4: "farm", 9: "town", 20: "forest"}
        given = '[{"value": "town", "name": "town", "color": "#ff0000"}]'
        classifier = scene.train_pixels(tmp_path, names=names, legend=given)
        found = scene.run(
            "ImageClassifier", **{"in": str(folder / "image.tif")}, model=classifier, out=str(tmp_path / "map.tif")
        )
        assert [(item["value"], item["name"]) for item in found["classes"]] == [
            *((0, "farm"), (1, "forest"), (2, "town"), (3, "water"))
        ]
        legend = raster_legend(gdal.Open(str(tmp_path / "map.tif")))
        assert [legend[number].name for number in range(4)] == ["farm", "forest", "town", "water"]
        assert legend[2].color == "#ff0000"

    def test_a_run_that_is_cancelled_leaves_nothing(self, folder: Path, forest: str, tmp_path: Path) -> None:
        class Stop(Progress):
            def cancelled(self) -> bool:
                return True

        (tmp_path / "map.tif").write_text("older")
        with pytest.raises(Cancelled):
            scene.run(
                "ImageClassifier",
                Stop(),
                **{"in": str(folder / "image.tif")},
                model=forest,
                out=str(tmp_path / "map.tif"),
            )
        assert [item.name for item in tmp_path.iterdir()] == ["map.tif"]
        assert (tmp_path / "map.tif").read_text() == "older"


class TestDeepFeatures:
    def test_training_says_how_good_it_is(self, folder: Path, deep: dict[str, Any]) -> None:
        assert 0.1 < deep["kappa"] < 1
        assert (deep["classes"], deep["training.samples"], deep["validation.samples"]) == (4, 432, 432)
        scores = matrixfile.read(folder / "matrix.csv")
        assert (scores.labels, scores.matrix.sum()) == ((3, 4, 9, 20), 432)
        page = (folder / "report.html").read_text()
        assert "random forest" in page and "CLASSIFIER_RF_NBTREES" in page and "CLASSIFIER_KNN_K" not in page
        assert not serving.hidden(folder)

    @pytest.mark.parametrize("mode", [{}, PATCHES])
    @pytest.mark.parametrize("tile", [{}, {"optim__tilesizex": 20, "optim__tilesizey": 16}])
    def test_the_map_is_that_of_two_steps(self, folder: Path, tmp_path: Path, mode: dict[str, Any], tile: Any) -> None:
        image, net, mode = str(folder / "image.tif"), str(folder / "net"), dict(mode)
        given = {"source1__il": [image], **tile}
        convolutional = mode.pop("fullyconv", "auto")
        given |= mode
        training = {"model__fullyconv": convolutional, **mode}
        classifier = scene.train_deep(tmp_path, image, net, str(folder / "training.gpkg"), **training)["out"]
        scene.run(
            "TensorflowModelServe", **given, model__dir=net, model__fullyconv=convolutional, out=str(tmp_path / "f.tif")
        )
        outs = [{"out": str(tmp_path / f"{n}.tif"), "confmap": str(tmp_path / f"{n}_sure.tif")} for n in ("two", "one")]
        scene.run("ImageClassifier", **{"in": str(tmp_path / "f.tif")}, model=classifier, **outs[0])
        scene.run(
            "ImageClassifierFromDeepFeatures",
            **given,
            deepmodel__dir=net,
            deepmodel__fullyconv=convolutional,
            model=classifier,
            **outs[1],
        )
        for name in ("out", "confmap"):
            two, one = (gdal.Open(out[name]) for out in outs)
            assert two.GetGeoTransform() == one.GetGeoTransform()
            np.testing.assert_array_equal(two.ReadAsArray(), one.ReadAsArray())
        assert len(np.unique(serving.read(outs[1]["out"]))) == 4

    def test_no_data_is_no_sample_and_has_its_label(self, folder: Path, tmp_path: Path) -> None:
        image = scene.pixels()
        image[8:30, 8:20] = 0
        source = serving.write(tmp_path / "image.tif", image, nodata=0)
        net, training = str(folder / "net"), str(folder / "training.gpkg")
        found = scene.train_deep(tmp_path, source, net, training, sample__vtr=0)
        assert found["training.samples"] == 4 * 6 * 12  # what is left of the quarter that has the fewest
        values = {
            "source1__il": [source],
            "deepmodel__dir": net,
            "model": found["out"],
            "out": str(tmp_path / "map.tif"),
        }
        scene.run("ImageClassifierFromDeepFeatures", **values, nodatalabel=99, confmap=str(tmp_path / "sure.tif"))
        labels, sure = (serving.read(tmp_path / name)[..., 0] for name in ("map.tif", "sure.tif"))
        expected = np.zeros(labels.shape, bool)
        expected[5:27, 5:17] = True  # the output begins at pixel 3
        np.testing.assert_array_equal(labels == 99, expected)
        np.testing.assert_array_equal(sure == 0, expected)

    def test_polygons_in_another_system_and_a_validation_layer(self, folder: Path, tmp_path: Path) -> None:
        from osgeo import ogr, osr

        degrees, utm = osr.SpatialReference(), osr.SpatialReference()
        degrees.ImportFromEPSG(4326)
        utm.ImportFromEPSG(serving.UTM)
        for system in (degrees, utm):
            system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        features = []
        for wkt, label in scene.QUARTERS:
            shape = ogr.CreateGeometryFromWkt(wkt)
            shape.Transform(osr.CoordinateTransformation(utm, degrees))
            features.append((shape.ExportToWkt(), label))
        valid = scene.layer(tmp_path / "valid.gpkg", features, 4326)
        found = scene.train_deep(
            tmp_path, str(folder / "image.tif"), str(folder / "net"), str(folder / "training.gpkg"),
            valid=valid, sample__mt=50, sample__mv=30,
        )  # fmt: skip
        assert (found["training.samples"], found["validation.samples"]) == (200, 120)

    def test_the_output_called_features_is_taken_unasked(self, folder: Path, tmp_path: Path) -> None:
        import keras

        keras.utils.set_random_seed(1)
        x = keras.Input((None, None, 3), name="x")
        hidden = keras.layers.Conv2D(7, 3, activation="relu", name="features")(keras.layers.Rescaling(1e-3)(x))
        keras.Model(x, keras.layers.Conv2D(2, 1, activation="softmax", name="a")(hidden)).save(tmp_path / "net.keras")
        from otbtf_qgis.core.classifiers.classifierfiles import load

        found = scene.train_deep(
            tmp_path, str(folder / "image.tif"), str(tmp_path / "net.keras"), str(folder / "training.gpkg")
        )
        assert load(found["out"]).features == tuple(f"feature_{number}" for number in range(7))

    def test_a_seed_repeats_the_samples_and_the_forest(self, folder: Path, tmp_path: Path) -> None:
        places = (tmp_path, str(folder / "image.tif"), str(folder / "net"), str(folder / "training.gpkg"))
        one, two = (scene.train_deep(*places, sample__mt=20, sample__mv=20) for _ in range(2))
        other = scene.train_deep(*places, sample__mt=20, sample__mv=20, rand=5)
        assert one["kappa"] == two["kappa"]
        maps = []
        for number, found in enumerate((one, two, other)):
            out = str(tmp_path / f"map{number}.tif")
            scene.run(
                "ImageClassifierFromDeepFeatures",
                source1__il=[places[1]],
                deepmodel__dir=places[2],
                model=found["out"],
                out=out,
            )
            maps.append(serving.read(out))
        np.testing.assert_array_equal(maps[0], maps[1])
        assert (maps[0] != maps[2]).any()
