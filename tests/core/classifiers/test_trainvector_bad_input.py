"""Whatever cannot be right ends with a message that names it, and leaves nothing behind."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import classifier_scene as scene
import numpy as np
import pytest
import serving
from points import write_points

from otbtf_qgis.core.errors import ClassifierError, ModelError, OtbtfError, ParameterError, VectorError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras

    folder = tmp_path_factory.mktemp("bad")
    serving.write(folder / "image.tif", scene.pixels())
    serving.write(folder / "four.tif", scene.pixels(bands=4))
    scene.layer(folder / "training.gpkg")
    serving.convolutions(folder / "net", 3, outputs=4)
    x = keras.Input((None, None, 3), name="x")
    y = keras.layers.Conv2D(2, 1, name="y")(x)
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(y)
    label = keras.layers.Identity(name="label")(keras.ops.argmax(y, axis=-1))
    keras.Model(x, {"y": y, "mean": mean, "label": label}).save(folder / "outputs.keras")
    fields = {"a": [1.0, 2.0, 3.0, 4.0] * 4, "b": [0.5, None] * 8, "name": ["x", "y"] * 8, "class": [1, 2] * 8}
    write_points(folder / "points.gpkg", [(0.0, 0.0)] * 16, **fields, one=[7] * 16, half=[1.5, 2.0] * 8)
    return folder


@pytest.fixture(scope="module")
def forest(folder: Path) -> str:
    return scene.train_pixels(folder)


def fails(kind: type[OtbtfError], folder: Path, name: str, match: str, **values: Any) -> str:
    before = sorted(folder.iterdir())
    with pytest.raises(kind, match=match) as caught:
        scene.run(name, **values)
    assert sorted(folder.iterdir()) == before
    return str(caught.value)


class TestTrainingOnAttributes:
    def check(
        self, folder: Path, tmp_path: Path, match: str, kind: type[OtbtfError] = ParameterError, **more: Any
    ) -> None:
        values = {
            "io__vd": [str(folder / "points.gpkg")],
            "feat": "a",
            "cfield": "class",
            "io__out": str(tmp_path / "c.skops"),
        }
        fails(kind, tmp_path, "TrainVectorClassifier", match, **{**values, **more})

    def test_one_class_only(self, folder: Path, tmp_path: Path) -> None:
        self.check(folder, tmp_path, r"All 16 training samples are of the class 7.*two classes", cfield="one")

    @pytest.mark.parametrize(
        ("values", "match", "kind"),
        [
            ({"feat": "a c"}, "has no field 'c'", VectorError),
            (
                {"feat": "a name"},
                "name of .* holds text, but features are numbers: remove it from FEAT",
                ParameterError,
            ),
            ({"feat": "a a"}, "FEAT is .*list each field only once", ParameterError),
            ({"feat": ""}, "FEAT is missing", ParameterError),
            ({"cfield": "half"}, "half holds 1.5.*whole number", ParameterError),
            ({"io__vd": ["nowhere.gpkg"]}, "Cannot open the layer nowhere.gpkg", VectorError),
            ({"classifier": "svm"}, "CLASSIFIER is 'svm', but must be one of: libsvm, boost", ParameterError),
            (
                {"classifier": "knn", "classifier__knn__k": 17},
                "CLASSIFIER_KNN_K is 17.*16 training samples",
                ParameterError,
            ),
            ({"classifier": "rf", "classifier__rf__var": 2}, "CLASSIFIER_RF_VAR is 2.*features is 1", ParameterError),
            ({"classifier": "ann", "classifier__ann__sizes": "8 x"}, "CLASSIFIER_ANN_SIZES is '8 x'", ParameterError),
            ({"classifier__rf__acc": 0.1}, "Unknown parameter classifier.rf.acc", ParameterError),
            ({"legend": "[1]"}, "LEGEND is", ParameterError),
        ],
    )
    def test_parameters(self, folder: Path, tmp_path: Path, values: Any, match: str, kind: type[OtbtfError]) -> None:
        self.check(folder, tmp_path, match, kind, **values)

    def test_what_scikit_learn_refuses_is_explained(self, folder: Path, tmp_path: Path) -> None:
        fields = {"a": [1.0, 2.0] * 10, "class": [1] * 19 + [2]}
        layer = write_points(tmp_path / "rare.gpkg", [(0.0, 0.0)] * 20, **fields)
        values = {"io__vd": [layer], "classifier__libsvm__m": "nusvc", "classifier__libsvm__nu": 0.9}
        self.check(folder, tmp_path, "libsvm cannot learn from these samples: .*infeasible", **values)
        values = {"io__vd": [layer], "classifier__libsvm__prob": "on"}
        self.check(
            folder,
            tmp_path,
            "A class has one training sample, but cross-validation .CLASSIFIER_LIBSVM_OPT, CLASSIFIER_LIBSVM_PROB",
            **values,
        )

    def test_features_without_a_value_are_left_out_and_counted(self, folder: Path, tmp_path: Path) -> None:
        log = serving.Log()
        values = {"io__vd": [str(folder / "points.gpkg")] * 2, "feat": "a b", "cfield": "name", "classifier": "dt"}
        with pytest.raises(ParameterError, match="All 16 training samples are of the class 0"):
            scene.run("TrainVectorClassifier", log, **values, io__out=str(tmp_path / "c.skops"))
        assert any(line.startswith("16 features of the training layers are left out") for line in log.warnings)

    def test_outputs(self, folder: Path, tmp_path: Path) -> None:
        same = str(tmp_path / "c.skops")
        self.check(folder, tmp_path, "IO_OUT and IO_CONFMATOUT are both", io__confmatout=same)
        self.check(folder, tmp_path, "IO_OUT is .*also an input", io__out=str(folder / "points.gpkg"))


class TestTrainingOnDeepFeatures:
    def check(
        self, folder: Path, tmp_path: Path, match: str, kind: type[OtbtfError] = ParameterError, **more: Any
    ) -> None:
        before = sorted(tmp_path.iterdir())
        with pytest.raises(kind, match=match):
            scene.train_deep(
                tmp_path, str(folder / "image.tif"), str(folder / "net"), str(folder / "training.gpkg"), **more
            )
        assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.parametrize(("name", "rank"), [("label", 3)])
    def test_an_output_that_holds_no_features(self, folder: Path, tmp_path: Path, name: str, rank: int) -> None:
        values = {"model__dir": str(folder / "outputs.keras"), "output__names": name}
        match = (
            rf"The output {name} .* is .* of rank {rank}, but features are numbers of rank 2 .* or 4 .*label, mean, y"
        )
        self.check(folder, tmp_path, match, ModelError, **values)

    def test_samples_outside_the_image(self, folder: Path, tmp_path: Path) -> None:
        away = scene.layer(tmp_path / "away.gpkg", [(scene.box(500, 0, 510, 10), 1), (scene.box(520, 0, 530, 10), 2)])
        self.check(folder, tmp_path, "No feature of .*away.gpkg can be used .2 outside the image", VectorError, vd=away)
        self.check(folder, tmp_path, "No feature of .*away.gpkg can be used", VectorError, valid=away)

    def test_one_class_only(self, folder: Path, tmp_path: Path) -> None:
        one = scene.layer(tmp_path / "one.gpkg", scene.QUARTERS[2:3])
        self.check(folder, tmp_path, "training samples are of the class 9", vd=one)

    @pytest.mark.parametrize(
        ("values", "match", "kind"),
        [
            ({"sample__vfn": "klass"}, "has no field 'klass'. Did you mean class", VectorError),
            ({"output__names": "z"}, "has no output 'z'; it has: y", ModelError),
            ({"sample__vtr": 1}, "SAMPLE_VTR is 1.*VALID", ParameterError),
            ({"sample__vtr": 2}, "SAMPLE_VTR is 2, but must be at most 1", ParameterError),
            ({"sample__mt": 0}, "SAMPLE_MT or SAMPLE_MV is 0", ParameterError),
            ({"source1__il": []}, "SOURCE1_IL is missing", ParameterError),
        ],
    )
    def test_parameters(self, folder: Path, tmp_path: Path, values: Any, match: str, kind: type[OtbtfError]) -> None:
        self.check(folder, tmp_path, match, kind, **values)

    def test_statistics_of_another_number_of_features(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "s.xml").write_text(
            '<FeatureStatistics><Statistic name="mean"><StatisticVector value="1"/></Statistic>'
            '<Statistic name="stddev"><StatisticVector value="1"/></Statistic></FeatureStatistics>'
        )
        self.check(folder, tmp_path, "are for 1 feature, but there are 4", imstat=str(tmp_path / "s.xml"))
        (tmp_path / "s.xml").write_text("<FeatureStatistics/>")
        self.check(folder, tmp_path, "does not hold means", imstat=str(tmp_path / "s.xml"))
        (tmp_path / "s.xml").write_text("mean: 3")
        self.check(folder, tmp_path, "are not XML|does not hold means", imstat=str(tmp_path / "s.xml"))


class TestMaps:
    def check(
        self, folder: Path, tmp_path: Path, match: str, kind: type[OtbtfError] = ClassifierError, **more: Any
    ) -> str:
        values = {"in": str(folder / "image.tif"), "out": str(tmp_path / "map.tif"), **more}
        return fails(kind, tmp_path, "ImageClassifier", match, **values)

    def test_another_number_of_features(self, folder: Path, forest: str, tmp_path: Path) -> None:
        match = r"was trained with 3 features, but the image .*four.tif \(its bands\) has 4"
        self.check(folder, tmp_path, match, **{"in": str(folder / "four.tif")}, model=forest)
        values = {"source1__il": [str(folder / "image.tif")], "deepmodel__dir": str(folder / "net"), "model": forest}
        match = "was trained with 3 features, but the output y of .*net has 4"
        out = str(tmp_path / "map.tif")
        fails(ClassifierError, tmp_path, "ImageClassifierFromDeepFeatures", match, **values, out=out)

    def test_the_network_s_parameters_have_their_names_here(self, folder: Path, forest: str, tmp_path: Path) -> None:
        values = {"source1__il": [str(folder / "image.tif")], "deepmodel__dir": str(folder / "outputs.keras")}
        values |= {
            "model": forest,
            "deepmodel__fullyconv": "on",
            "output__names": "mean",
            "out": str(tmp_path / "map.tif"),
        }
        match = "set DEEPMODEL_FULLYCONV=off"
        fails(OtbtfError, tmp_path, "ImageClassifierFromDeepFeatures", match, **values)

    def test_another_scikit_learn(self, folder: Path, forest: str, tmp_path: Path) -> None:
        import sklearn

        changed = self.changed(forest, tmp_path, **{"scikit-learn": "0.24.1"})
        told = self.check(folder, tmp_path, "was trained with scikit-learn 0.24.1, but the engine has", model=changed)
        assert sklearn.__version__ in told
        same = ".".join(sklearn.__version__.split(".")[:2])
        scene.run("ImageClassifier", **{"in": str(folder / "image.tif")}, out=str(tmp_path / "map.tif"),
                  model=self.changed(forest, tmp_path, **{"scikit-learn": f"{same}.99"}))  # fmt: skip

    def changed(self, forest: str, tmp_path: Path, **values: Any) -> str:
        """Return a copy of a classifier that says something else of itself."""
        with zipfile.ZipFile(forest) as archive, zipfile.ZipFile(tmp_path / "changed.skops", "w") as copy:
            for name in archive.namelist():
                data = archive.read(name)
                if name == "otbtf.json":
                    data = json.dumps({**json.loads(data), **values}).encode()
                copy.writestr(name, data)
        return str(tmp_path / "changed.skops")

    @pytest.mark.parametrize(
        ("values", "match"),
        [
            ({"features": ["a", "b"]}, "its parts contradict each other"),
            ({"classes": []}, "its parts contradict each other"),
            ({"classes": None}, "damaged or was changed"),
            ({"format": 9}, "newer version of this plugin"),
            ({"format": "x"}, "is not a classifier of this plugin"),
        ],
    )
    def test_a_description_that_was_changed(
        self, folder: Path, forest: str, tmp_path: Path, values: Any, match: str
    ) -> None:
        self.check(folder, tmp_path, match, model=self.changed(forest, tmp_path, **values))

    def test_files_that_are_not_ours(self, folder: Path, forest: str, tmp_path: Path) -> None:
        import skops.io
        from sklearn.tree import DecisionTreeClassifier

        (tmp_path / "otb.txt").write_text("%YAML:1.0\nopencv_ml_rtrees:\n")
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
            archive.writestr("schema.json", "{}")
        skops.io.dump(DecisionTreeClassifier().fit([[0.0], [1]], [0, 1]), tmp_path / "plain.skops")
        for name in ("otb.txt", "other.zip", "plain.skops"):
            self.check(folder, tmp_path, f"{name} is not a classifier of this plugin", model=str(tmp_path / name))
        self.check(folder, tmp_path, "Cannot read the classifier", model=str(tmp_path / "nothing.skops"))

    def test_a_file_that_holds_types_that_are_not_trusted(self, folder: Path, forest: str, tmp_path: Path) -> None:
        import subprocess

        import skops.io

        with zipfile.ZipFile(forest) as archive:
            described = archive.read("otbtf.json")
        skops.io.dump({"a": subprocess.Popen.communicate, "b": np.zeros(3)}, tmp_path / "evil.skops")
        with zipfile.ZipFile(tmp_path / "evil.skops", "a") as archive:
            archive.writestr("otbtf.json", described)
        match = "contains unknown types that could run code: .*subprocess.communicate.*It is not loaded"
        self.check(folder, tmp_path, match, model=str(tmp_path / "evil.skops"))

    def test_a_file_that_is_cut_off(self, folder: Path, forest: str, tmp_path: Path) -> None:
        with zipfile.ZipFile(forest) as archive, zipfile.ZipFile(tmp_path / "cut.skops", "w") as copy:
            for name in archive.namelist():
                copy.writestr(name, archive.read(name)[: 10**9 if name == "otbtf.json" else 500])
        self.check(folder, tmp_path, "is damaged or was changed", model=str(tmp_path / "cut.skops"))
        (tmp_path / "half.skops").write_bytes(Path(forest).read_bytes()[:2000])
        self.check(folder, tmp_path, "is not a classifier of this plugin", model=str(tmp_path / "half.skops"))

    def test_no_probabilities_for_the_confidence_map(self, folder: Path, tmp_path: Path) -> None:
        machine = scene.train_pixels(tmp_path, classifier="libsvm")
        match = "CONFMAP: .*libsvm. does not provide probabilities: train it so that it does"
        self.check(folder, tmp_path, match, model=machine, confmap=str(tmp_path / "sure.tif"))

    @pytest.mark.parametrize(
        ("values", "match"),
        [
            (
                {"nodatalabel": 300, "out__pixeltype": "uint8"},
                "labels range from 3 to 300.*uint8 cannot hold them: set OUT_PIXELTYPE",
            ),
            ({"mask": "four.tif"}, "MASK is .* 4 bands, but must have one"),
            ({"confmap": "map.tif"}, "OUT and CONFMAP are both"),
            ({"confmap": "sure.qqq"}, "No raster format of GDAL has the extension 'qqq'"),
            ({"out": "image.tif"}, "OUT is .*image.tif, which is also an input"),
            ({"out__box": "0:0:99:9"}, "OUT_BOX is 0:0:99:9, which is not inside"),
            ({"memory": 100, "ram": 200}, "MEMORY is 100 and RAM is 200"),
        ],
    )
    def test_parameters(self, folder: Path, forest: str, tmp_path: Path, values: Any, match: str) -> None:
        for key, value in values.items():
            if str(value).endswith((".tif", ".qqq")):
                values = {**values, key: str((folder if (folder / value).exists() else tmp_path) / value)}
        self.check(folder, tmp_path, match, OtbtfError, model=forest, **values)
