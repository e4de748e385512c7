"""Hostile `.keras` files: each is refused by name, on every way to a model, and none runs, reads or writes anything."""

from __future__ import annotations

import base64
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

import hostile_models as hostile  # noqa: E402
import serving  # noqa: E402

from otbtf_qgis.core.errors import OtbtfError  # noqa: E402
from otbtf_qgis.core.models.loading import load_model  # noqa: E402

_watched: list[tuple[list[Path], list[str]]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    for places, seen in _watched:
        if event in ("os.system", "subprocess.Popen", "socket.connect", "marshal.loads", "pickle.find_class"):
            if "importlib" not in str(sys._getframe(1).f_code.co_filename):  # Python's own compiled modules
                seen.append(event)
        elif event in ("open", "os.listdir", "os.mkdir") and any(str(place) in str(arguments[0]) for place in places):
            seen.append(f"{event} {arguments[0]}")


sys.addaudithook(_watch)


@contextmanager
def nothing_happens(*places: Path) -> Iterator[None]:
    """Fail if Python starts something, unpacks code, or opens one of the places, or if one exists afterwards."""
    seen: list[str] = []
    _watched.append((list(places), seen))
    try:
        yield
    finally:
        _watched.pop()
    assert not seen
    assert not [place for place in places if place.exists()]


class Touch(keras.layers.Layer):
    """A layer that somebody else registered, which writes."""

    def __init__(self, path: str = "", **more: Any) -> None:
        super().__init__(**more)
        Path(path).write_text("made")


def touch(*_: Any, **__: Any) -> Any:
    raise AssertionError("a function that somebody else registered was called")


@pytest.fixture(autouse=True)
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other code in this process has registered a class and a function, and a package writes when it is imported."""
    package = tmp_path / "packages" / hostile.PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    (package / "layers.py").write_text("class Evil: pass")
    monkeypatch.syspath_prepend(str(package.parent))
    custom = keras.saving.get_custom_objects()
    custom["evil>Touch"], custom["evil>touch"] = Touch, touch
    yield
    del custom["evil>Touch"], custom["evil>touch"]
    for module in [name for name in sys.modules if name.partition(".")[0] == hostile.PACKAGE]:
        del sys.modules[module]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("honest") / "model.keras"
    hostile.honest_model().save(path)
    return path


def saved_model_that_writes(folder: Path, canary: Path) -> Path:
    """Save a model that writes the canary as soon as it is loaded, and when it is called."""

    class Resource(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 6, 2], tf.float32)])
        def call(self, x: Any) -> Any:
            tf.io.write_file(str(canary), "evil")
            return x

    module = Resource()
    tf.saved_model.save(module, str(folder), signatures=module.call)
    return folder


@pytest.fixture(scope="module")
def evil_saved_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("evil")
    return saved_model_that_writes(folder / "saved", folder / "canary"), folder / "canary"


def refusal(path: Path, *places: Path) -> str:
    with nothing_happens(*places), pytest.raises(OtbtfError) as caught:
        load_model(str(path))
    return str(caught.value)


def test_corpus_is_large_enough() -> None:
    assert len(hostile.cases()) >= 100


@pytest.mark.parametrize("place, word", hostile.cases(), ids=[" - ".join(case) for case in hostile.cases()])
def test_hostile_file_is_refused_by_name(
    honest: Path, evil_saved_model: tuple[Path, Path], tmp_path: Path, place: str, word: str
) -> None:
    canary = tmp_path / "canary"
    evil = hostile.names(canary, evil_saved_model[0])[word]
    path = hostile.write(honest, tmp_path / "hostile.keras", place, evil)
    message = refusal(path, canary, evil_saved_model[1])
    named = (
        evil if isinstance(evil, str) else evil["config"] if evil["class_name"] == "function" else evil["class_name"]
    )
    assert str(named).rpartition(".")[2] in message and "is not loaded" in message and "TRUST_MODEL" in message


ROUTES = ("describe", "serve", "export", "restore", "train", "deep features")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A classifier of one feature; scikit-learn is loaded, and unpacks what is its own, before anything is watched."""
    from sklearn.dummy import DummyClassifier
    from sklearn.preprocessing import StandardScaler

    from otbtf_qgis.core.classes.modelclasses import ModelClass
    from otbtf_qgis.core.classifiers import classifierfiles

    features, labels = [[0.0], [1.0]], [1, 2]
    made = classifierfiles.learned_with(
        StandardScaler().fit(features),
        DummyClassifier().fit(features, labels),
        "rf",
        ["f"],
        (ModelClass(1), ModelClass(2)),
    )
    path = tmp_path_factory.mktemp("classifier") / "classifier.skops"
    classifierfiles.save(made, path)
    return str(path)


def run_route(route: str, model: Path, folder: Path, classifier: str) -> None:
    """Come to a model on one of the ways there are."""
    image = serving.write_at(folder / "image.tif", serving.texture(12, 12, 4))
    from otbtf_qgis.core.registry import run

    out = str(folder / "out.tif")
    if route == "describe":
        run("describemodel", {"model.dir": str(model)})
    elif route == "export":
        run("exportsavedmodel", {"model.dir": str(model), "out": str(folder / "exported")})
    elif route == "serve":
        run("tensorflowmodelserve", {"source1.il": [image], "model.dir": str(model), "out": out})
    elif route == "deep features":
        given = {"source1.il": [image], "deepmodel.dir": str(model), "model": classifier, "out": out}
        run("imageclassifierfromdeepfeatures", given)
    else:
        from otbtf_qgis.core.models.loading import KerasModel
        from otbtf_qgis.core.training.network import Network, load_network, restore

        if route == "train":
            load_network(str(model), False)
        restore(Network("honest", KerasModel("honest", hostile.honest_model())), str(model))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("word", ["dotted saved model", "dotted lambda", "package", "registered", "vocabulary"])
def test_no_route_runs_a_hostile_file(
    honest: Path, evil_saved_model: tuple[Path, Path], tmp_path: Path, classifier: str, route: str, word: str
) -> None:
    canary = tmp_path / "canary"
    evil = hostile.names(canary, evil_saved_model[0])[word]
    path = hostile.write(honest, tmp_path / "hostile.keras", "a layer", evil)
    with nothing_happens(canary, evil_saved_model[1]), pytest.raises(OtbtfError, match="is not loaded.*TRUST_MODEL"):
        run_route(route, path, tmp_path, classifier)


@pytest.mark.parametrize("word", ["dotted lambda", "dotted saved model"])
def test_refusal_is_what_prevents_it(
    honest: Path, evil_saved_model: tuple[Path, Path], tmp_path: Path, word: str
) -> None:
    """The same files write the canary where TRUST_MODEL lets them."""
    canary = evil_saved_model[1] if "saved" in word else tmp_path / "canary"
    evil = hostile.names(canary, evil_saved_model[0])[word]
    path = hostile.write(honest, tmp_path / "hostile.keras", "activation", evil)
    refusal(path, canary)
    try:
        model = load_model(str(path), trust=True)
        model.function(["x"], list(model.outputs))({"x": tf.ones([1, 6, 4])})
        assert canary.exists()
    finally:
        canary.unlink(missing_ok=True)


def test_honest_model_passes_and_computes_the_same(honest: Path, tmp_path: Path) -> None:
    content = honest.read_bytes()
    with nothing_happens(tmp_path / "canary"):
        model = load_model(str(honest))
    ones = tf.ones([1, 6, 4])
    (found,) = model.function(["x"], list(model.outputs))({"x": ones})
    assert found.numpy() == pytest.approx(keras.models.load_model(honest)(ones).numpy())
    assert honest.read_bytes() == content


def test_losses_of_the_authors_own_do_not_keep_a_model_from_being_served(tmp_path: Path) -> None:
    def own_loss(y: Any, predicted: Any) -> Any:
        return keras.ops.mean(y - predicted)

    class OwnMetric(keras.metrics.Mean):
        pass

    model = hostile.honest_model()
    model.compile("adam", own_loss, metrics=[OwnMetric()])
    model.get_layer("inner").compile("sgd", own_loss)
    model.save(tmp_path / "net.keras")
    assert not getattr(load_model(str(tmp_path / "net.keras"))._keras.get_layer("inner"), "compiled", False)


@pytest.mark.parametrize("name", ["MobileNetV2", "ConvNeXtTiny", "InceptionResNetV2"])
def test_applications_of_keras_pass(name: str) -> None:
    """ConvNeXt and InceptionResNet have layers that Keras does not export."""
    from otbtf_qgis.core.models.kerasnames import offences

    model = getattr(keras.applications, name)(weights=None, input_shape=(96, 96, 3))
    assert not list(offences(json.loads(json.dumps(keras.saving.serialize_keras_object(model)))))


def test_lists_name_every_operation_that_takes_a_function() -> None:
    from keras.src.ops.operation import Operation

    from otbtf_qgis.core.models import kerasnames

    classes = [each for each in kerasnames._derived(Operation) if each.__module__.startswith("keras.src.ops.")]
    taking = {
        each.__name__ for each in [*classes, *kerasnames._exported_functions()] if kerasnames.takes_function(each)
    }
    assert len(taking) > 10
    assert taking <= kerasnames._REFUSED.keys() | kerasnames._REFUSED_FUNCTIONS.keys()


@pytest.mark.parametrize("kind", ["external link", "external data", "virtual"])
def test_weights_in_another_file_are_refused(honest: Path, tmp_path: Path, kind: str) -> None:
    import h5py
    import numpy as np

    secret = tmp_path / "secret"
    weights = tmp_path / "model.weights.h5"
    with zipfile.ZipFile(honest) as archive:
        weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        group = file["layers/dense/vars"] if "layers/dense/vars" in file else file["layers"]
        if kind == "external link":
            group["evil"] = h5py.ExternalLink(str(secret), "/x")
        elif kind == "external data":
            group.create_dataset("evil", (4,), "uint8", external=[(str(secret), 0, 4)])
        else:
            layout = h5py.VirtualLayout((4,), np.uint8)
            layout[:] = h5py.VirtualSource(str(secret), "x", (4,))
            group.create_virtual_dataset("evil", layout)
    path = tmp_path / "linked.keras"
    with zipfile.ZipFile(honest) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, weights.read_bytes() if name.endswith(".h5") else source.read(name))
    assert re.search("weights would be read from other files: .*evil is in", refusal(path, secret))
    from otbtf_qgis.core.models.loading import KerasModel
    from otbtf_qgis.core.training.network import Network, restore

    with nothing_happens(secret), pytest.raises(OtbtfError, match="evil is in"):
        restore(Network("honest", KerasModel("honest", hostile.honest_model())), str(weights))


def edited(honest: Path, path: Path, change: Callable[[Any], None]) -> Path:
    return hostile.with_configuration(honest, path, change)


def test_refusal_names_place_and_reason(honest: Path, tmp_path: Path) -> None:
    evil = hostile.function("keras.utils", "get_file")
    path = hostile.write(honest, tmp_path / "m.keras", "activation of a wrapped layer", evil)
    assert re.search(r"keras\.utils\.get_file \(no part of a model\), activation of dense", refusal(path))
    path = hostile.write(honest, tmp_path / "n.keras", "a layer", hostile.described("keras", "layers.Lambda"))
    assert "keras.layers.Lambda (Python code), in " in refusal(path)


KERAS_2 = {
    "module": "tf_keras.src.engine.functional",
    "class_name": "Functional",
    "config": {
        "name": "model",
        "layers": [{"module": "keras.layers", "class_name": "Flatten", "config": {"name": "f"}}],
    },
    "registered_name": "Functional",
}
"""As tf_keras 2.21 writes it, but for the layers."""


def test_file_of_keras_2_is_named(honest: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.keras"
    with zipfile.ZipFile(honest) as source, zipfile.ZipFile(path, "w") as target:
        target.writestr("config.json", json.dumps(KERAS_2))
        target.writestr("metadata.json", '{"keras_version": "2.15.0"}')
        target.writestr("model.weights.h5", source.read("model.weights.h5"))
    for trust in (False, True):
        with pytest.raises(OtbtfError, match=r"written by Keras 2\.15\.0.*tf_keras.*model\.export\('folder'\)"):
            load_model(str(path), trust=trust)


def test_file_of_a_newer_keras_is_named(honest: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.keras"
    with zipfile.ZipFile(honest) as source, zipfile.ZipFile(path, "w") as target:
        configuration = json.loads(source.read("config.json"))
        configuration["config"]["layers"][-1]["config"]["setting_of_tomorrow"] = None
        target.writestr("config.json", json.dumps(configuration))
        target.writestr("metadata.json", '{"keras_version": "3.999.0"}')
        target.writestr("model.weights.h5", source.read("model.weights.h5"))
    told = (
        rf"setting_of_tomorrow.*written by Keras 3\.999\.0, which is newer than the engine's Keras {keras.__version__}"
    )
    with pytest.raises(OtbtfError, match=told):
        load_model(str(path))


def test_package_that_the_engine_lacks_is_named(honest: Path, tmp_path: Path) -> None:
    evil = hostile.described("keras_nlp.layers", "TransformerEncoder")
    message = refusal(hostile.write(honest, tmp_path / "hub.keras", "a layer", evil))
    assert re.search(
        r"needs the package keras_nlp, which this engine lacks \(keras_nlp\.layers\.TransformerEncoder", message
    )
    assert "model.export('folder')" in message


@pytest.mark.parametrize(
    "content, told",
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n",
            "a pointer of Git LFS.*git lfs pull",
        ),
        (b"", "it is empty"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file, as Keras 2 wrote them.*model.export"),
    ],
    ids=["pointer", "empty", "HDF5"],
)
def test_what_only_looks_like_a_keras_file_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "net.keras"
    path.write_bytes(content)
    with pytest.raises(OtbtfError, match=rf"net\.keras is not a \.keras file, or is damaged: .*{told}"):
        load_model(str(path))


def test_reason_of_a_layer_is_told_in_full(tmp_path: Path) -> None:
    """Keras begins its message with the settings of the layer; a traced graph is thousands of characters long."""
    from otbtf_qgis.core.models.tracedlayer import trace

    x = keras.Input((4, 4, 3), name="x")
    keras.Model(x, trace(lambda t: tf.reverse(t, [1]), [x], "flip")).save(tmp_path / "net.keras")

    def evil(configuration: Any) -> None:
        layer = configuration["config"]["layers"][1]["config"]
        graph = tf.Graph()
        with graph.as_default():
            y = tf.io.read_file("/etc/hostname", name="reading")
        layer["graph"] = base64.b64encode(graph.as_graph_def().SerializeToString()).decode()
        layer["fetches"] = [y.name]

    path = edited(tmp_path / "net.keras", tmp_path / "evil.keras", evil)
    assert "ReadFile (node reading), in flip" in refusal(path)
    with pytest.raises(OtbtfError, match=r"ReadFile \(node reading\)\. Write it without these operations"):
        load_model(str(path), trust=True)
