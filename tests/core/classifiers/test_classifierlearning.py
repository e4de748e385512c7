"""Classifiers: what each learns, that its file gives the same again, and what standardises and scores it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.classes.legend import ClassEntry
from otbtf_qgis.core.classes.palette import PALETTE
from otbtf_qgis.core.classifiers import parallelclassification
from otbtf_qgis.core.classifiers.classifierbuilding import standardiser
from otbtf_qgis.core.classifiers.classifierfiles import Classifier, load, save
from otbtf_qgis.core.classifiers.classifierlearning import FeatureSamples, learn, score
from otbtf_qgis.core.classifiers.imstat import ImageStatistics, read_statistics
from otbtf_qgis.core.classifiers.parallelclassification import ParallelClassifier, PixelClassifier, feature_type
from otbtf_qgis.core.parameters.classifierchoices import LEFT_OUT, NAMES, ClassifierChoice
from otbtf_qgis.core.parameters.parsing import keys, parse
from otbtf_qgis.core.workflows.commandline import parse_commands

LABELS = (2, 5, 11)
LEGEND = {2: ClassEntry("Water", "#0000ff"), 5: ClassEntry("Forest", "#00ff00")}


def samples(each: int = 60, seed: int = 0) -> FeatureSamples:
    """Three clouds that hardly overlap, on axes of different units, and a feature that never varies."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(LABELS, each)
    centres = np.eye(3)[np.repeat(np.arange(3), each)] * 6
    features = np.hstack([(generator.normal(size=(len(labels), 3)) + centres), np.full((len(labels), 1), 7.0)])
    return FeatureSamples((features * [1, 100, 0.01, 1] + [0, 5000, 3, 0]).astype("float32"), labels)


def learned(name: str, progress: Progress | None = None, **more: Any) -> Classifier:
    values = {f"classifier.{name}.{key}": value for key, value in more.items()}
    if name == "gbt":
        values.setdefault("classifier.gbt.w", 10)
    choice = parse(ClassifierChoice, {"classifier": name, "rand": 3, **values})
    return learn(choice, samples(), ["a", "b", "c", "d"], LEGEND, None, 3, progress or Progress())


KINDS = [*((name, {}) for name in NAMES), ("libsvm", {"prob": "on"}), ("libsvm", {"m": "nusvc", "k": "rbf"})]


@pytest.mark.parametrize(("name", "more"), KINDS)
def test_each_learns_and_its_file_gives_the_same_again(name: str, more: dict[str, Any], tmp_path: Path) -> None:
    classifier = learned(name, **more)
    assert score(classifier, samples(seed=1)).kappa > 0.9
    save(classifier, tmp_path / "c.skops")
    again = load(str(tmp_path / "c.skops"))
    assert (again.name, again.features, again.classes) == (name, ("a", "b", "c", "d"), classifier.classes)
    features = samples(200, seed=2).features
    for one, two in zip(ParallelClassifier(classifier)(features), ParallelClassifier(again)(features)):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["rf", "ann", "gbt"])
def test_a_seed_repeats_the_learning(name: str) -> None:
    features = samples(seed=4).features
    one, two = (ParallelClassifier(learned(name))(features)[1] for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_classes_keep_names_and_colours() -> None:
    assert [vars(item) for item in learned("dt").classes] == [
        {"value": 2, "name": "Water", "color": "#0000ff"},
        {"value": 5, "name": "Forest", "color": "#00ff00"},
        {"value": 11, "name": "", "color": PALETTE[11]},
    ]


def test_the_best_svm_is_found_among_powers_of_ten() -> None:
    found = learned("libsvm", opt="on", k="rbf", c=1e-6, gamma=1e6).pipeline[-1]
    assert found.C in (0.1, 1, 10, 100, 1000)
    assert found.gamma in (0.001, 0.01, 0.1, 1)


def test_parameters_reach_scikit_learn() -> None:
    forest = learned("rf", max=3, min=7, var=2, nbtrees=5).pipeline[-1]
    assert (forest.max_depth, forest.min_samples_split, forest.max_features, forest.n_estimators) == (3, 7, 2, 5)
    assert learned("rf").pipeline[-1].max_features == "sqrt"
    network = learned("ann", t="back", sizes="8 5", f="ident", bpdw=0.01, bpms=0.5, term="iter", iter=4).pipeline[-1]
    assert (network.solver, network.hidden_layer_sizes, network.activation) == ("sgd", (8, 5), "identity")
    assert (network.learning_rate_init, network.momentum, network.n_iter_) == (0.01, 0.5, 4)
    assert learned("knn", k=5).pipeline[-1].n_neighbors == 5
    tree = learned("dt", max=2, min=9).pipeline[-1]
    assert (tree.max_depth, tree.min_samples_split) == (2, 9)
    boosted = learned("boost", w=6, m=2).pipeline[-1]
    assert (boosted.n_estimators, boosted.estimator.max_depth) == (6, 2)
    machine = learned("libsvm", k="poly", c=3, gamma=0.5, coef0=2, degree=2).pipeline[-1]
    assert (machine.kernel, machine.C, machine.gamma, machine.coef0, machine.degree) == ("poly", 3, 0.5, 2, 2)


def test_defaults_are_those_of_otb() -> None:
    defaults = {key.name: key.default for key in keys(ClassifierChoice)}
    for name, value in {
        "classifier": "libsvm",
        "classifier.libsvm.k": "linear",
        "classifier.libsvm.c": 1,
        "classifier.libsvm.gamma": 1,
        "classifier.boost.w": 100,
        "classifier.dt.max": 10,
        "classifier.dt.min": 10,
        "classifier.ann.eps": 0.01,
        "classifier.ann.iter": 1000,
        "classifier.rf.max": 5,
        "classifier.rf.min": 10,
        "classifier.rf.nbtrees": 100,
        "classifier.knn.k": 32,
    }.items():
        assert defaults[name] == value
    assert not defaults.keys() & LEFT_OUT.keys()


def test_a_warning_of_scikit_learn_is_told() -> None:
    told: list[str] = []
    progress = Progress()
    progress.warning = told.append  # type: ignore[method-assign]
    learned("ann", progress, term="iter", iter=2)
    assert any("iterations" in text and text.startswith("scikit-learn, ann:") for text in told)


def test_many_features_are_classified_in_chunks_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    mapper = ParallelClassifier(learned("rf"))
    features = samples(100, seed=5).features
    labels, confidences = mapper(features)
    monkeypatch.setattr(parallelclassification, "CHUNK", 7)
    again, sure = mapper(features)
    np.testing.assert_array_equal(again, labels)
    assert confidences is not None and sure is not None
    np.testing.assert_allclose(sure, confidences, rtol=1e-6)
    assert confidences.min() >= 1 / 3 and confidences.max() <= 1
    nothing, none = mapper(features[:0])
    assert (nothing.shape, nothing.dtype, none.shape) == ((0,), np.dtype("int64"), (0,))  # type: ignore[union-attr]


def test_a_machine_without_probabilities_has_no_confidence() -> None:
    assert ParallelClassifier(learned("libsvm"))(samples().features)[1] is None


def test_pixels_without_data_or_with_nan_get_the_no_data_label() -> None:
    mapper = PixelClassifier(learned("dt"), nodatalabel=99)
    pixels = samples(4).features.reshape(3, 4, 4).copy()
    pixels[0, 0, 1], pixels[1, 1, 2] = np.nan, np.inf
    nodata = np.zeros((3, 4), bool)
    nodata[1, 1] = nodata[2, 3] = True
    values = mapper(pixels, nodata)
    marked = np.argwhere(values[..., 0] == 99).tolist()
    assert marked == [[0, 0], [1, 1], [2, 3]]
    assert (values[..., 1] == 0).sum() == 3
    assert mapper.replaced == 1
    assert "1 pixel is NaN" in mapper.told()


def test_types_are_exact() -> None:
    types = {
        np.dtype(name): feature_type(name).name for name in ("uint8", "int16", "uint16", "float16", "int32", "float64")
    }
    assert list(types.values()) == ["float32"] * 4 + ["float64"] * 2


def test_statistics_as_otb_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "s.xml"
    path.write_text(
        """<?xml version="1.0" ?>
<FeatureStatistics>
    <Statistic name="mean">
        <StatisticVector value="534.381" />
        <StatisticVector value="-2" />
    </Statistic>
    <Statistic name="min"><StatisticVector value="68" /><StatisticVector value="0" /></Statistic>
    <Statistic name="stddev">
        <StatisticVector value="153.374" />
        <StatisticVector value="0" />
    </Statistic>
</FeatureStatistics>
"""
    )
    found = read_statistics(str(path))
    assert (found.mean.tolist(), found.deviation.tolist()) == ([534.381, -2.0], [153.374, 0.0])
    scaled = standardiser(found).transform([[534.381 + 153.374, 1.0]])
    np.testing.assert_allclose(scaled, [[1.0, 3.0]])


def test_given_statistics_take_the_place_of_those_of_the_samples(tmp_path: Path) -> None:
    statistics = ImageStatistics("s.xml", np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 4, 0]))
    choice = parse(ClassifierChoice, {"classifier": "bayes"})
    classifier = learn(choice, samples(), list("abcd"), {}, statistics, 0, Progress())
    save(classifier, tmp_path / "c.skops")
    kept = load(str(tmp_path / "c.skops")).pipeline[0]
    assert (kept.mean_.tolist(), kept.scale_.tolist()) == ([1, 2, 3, 4], [2, 3, 4, 1])


def test_the_file_is_skops_and_says_what_it_holds(tmp_path: Path) -> None:
    import sklearn
    import skops.io

    save(learned("dt"), tmp_path / "c.skops")
    with zipfile.ZipFile(tmp_path / "c.skops") as archive:
        described = json.loads(archive.read("otbtf.json"))
    assert described["scikit-learn"] == sklearn.__version__
    assert (described["classifier"], described["features"]) == ("dt", ["a", "b", "c", "d"])
    plain = skops.io.load(tmp_path / "c.skops", trusted=["sklearn.tree._tree.Tree"])
    assert plain.classes_.tolist() == list(LABELS)


def test_classes_that_the_classifier_does_not_know_count_as_errors() -> None:
    unknown = samples(seed=1)
    unknown.labels[:10] = 77
    scores = score(learned("rf"), unknown)
    assert scores.labels == (2, 5, 11, 77)
    assert scores.names == ("Water", "Forest", "11", "77")
    assert scores.support.tolist() == [50, 60, 60, 10]


def test_a_command_line_of_otb_is_carried_over() -> None:
    (call,) = parse_commands(
        "otbcli_TrainVectorClassifier -io.vd a.gpkg b.gpkg -feat value_0 value_1 -cfield class -classifier rf "
        "-classifier.rf.max 15 -classifier.rf.acc 0.01 -classifier.ann.sizes 20 10 -io.out m.skops -v true"
    )
    assert call.values["io.vd"] == ("a.gpkg", "b.gpkg")
    assert call.values["classifier.ann.sizes"] == "20 10"
    assert call.parameters()["FEAT"] == ["value_0", "value_1"]
    assert [note.split(":")[0] for note in call.notes] == ["classifier.rf.acc=0.01 is left out", "v=true is left out"]
    (call,) = parse_commands(
        "otbcli_ImageClassifierFromDeepFeatures -source1.il a.tif -source1.rfieldx 16 -source1.rfieldy 16 -deepmodel.dir net "
        "-output.names features -output.bv -1 -model m.skops -nodatalabel 255 -out map.tif uint8"
    )
    assert call.values["deepmodel.fullyconv"] == "off"
    assert call.values["out.pixeltype"] == "uint8"
    assert call.notes[0].startswith("output.bv=-1 is left out")
