"""What a warm engine keeps from run to run: the same maps, a changed model noticed, no model traced twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

import serving  # noqa: E402

from otbtf_qgis.core.probing import compute, freezing, modelcache  # noqa: E402
from otbtf_qgis.core.probing.compute import Compute  # noqa: E402
from otbtf_qgis.core.serving import runplan  # noqa: E402


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelcache, "_models", type(modelcache._models)())
    monkeypatch.setattr(runplan, "FREEZING_PAYS", float("inf"))  # how long computing takes must not matter


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were loaded, in order."""
    names: list[str] = []
    load = modelcache.load_model

    def noted(path: str, *arguments: Any) -> Any:
        names.append(Path(path).name)
        return load(path, *arguments)

    monkeypatch.setattr(modelcache, "load_model", noted)
    return names


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("image")
    return serving.write(folder / "image.tif", serving.noise(150, 170, 2, "uint16"), options=["TILED=YES"])


def add(folder: Path, number: float) -> str:
    return serving.pixelwise(folder, lambda x: x[..., :1] + number, 2)


def a_keras_file(path: Path, seed: int) -> str:
    keras.utils.set_random_seed(seed)
    x = keras.Input((None, None, 2))
    keras.Model(x, keras.layers.Conv2D(2, 3, padding="same")(x)).save(path)
    return str(path)


def run(image: str, model: str, out: Path, **more: Any) -> np.ndarray:
    serving.serve(source1_il=image, model_dir=model, out=str(out), **more)
    return serving.read(out)


def test_the_second_run_loads_and_traces_and_measures_nothing(
    tmp_path: Path, image: str, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Compute] = []
    measured: list[Any] = []
    start, rate = Compute.__init__, runplan.measured_rate
    monkeypatch.setattr(Compute, "__init__", lambda self, *a, **k: (made.append(self), start(self, *a, **k))[1])
    monkeypatch.setattr(runplan, "measured_rate", lambda *a: (measured.append(a), rate(*a))[1])
    model = a_keras_file(tmp_path / "net.keras", 1)
    first = run(image, model, tmp_path / "out.tif", optim_tilesizex=64, optim_tilesizey=48)
    traces = [compute.function.experimental_get_tracing_count() for compute in made]
    again = run(image, model, tmp_path / "out.tif", optim_tilesizex=64, optim_tilesizey=48)
    np.testing.assert_array_equal(again, first)
    assert loads == ["net.keras"]
    assert len(measured) == 1
    assert max(traces) == 1 and traces.count(1) == 2  # as served, and as probed: in the model's own type
    assert [compute.function.experimental_get_tracing_count() for compute in made[: len(traces)]] == traces
    assert sum(compute.function.experimental_get_tracing_count() for compute in made) == 2


def test_tiles_of_all_sizes_are_one_trace(tmp_path: Path, image: str) -> None:
    model = a_keras_file(tmp_path / "net.keras", 1)
    for size in (31, 64, 170):
        run(image, model, tmp_path / "out.tif", optim_tilesizex=size, optim_tilesizey=size)
    (loaded,) = modelcache._models.values()
    (compute,) = (each for each in loaded.found.values() if isinstance(each, Compute))
    assert compute.function.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("make", [add, lambda path, seed: a_keras_file(path.with_suffix(".keras"), seed)])
def test_a_changed_model_is_noticed(
    tmp_path: Path, image: str, loads: list[str], make: Callable[[Path, int], str]
) -> None:
    model = make(tmp_path / "net", 1)
    first = run(image, model, tmp_path / "out.tif")
    assert make(tmp_path / "net", 2) == model
    second = run(image, model, tmp_path / "out.tif")
    assert len(loads) == 2
    assert (first != second).any()
    np.testing.assert_array_equal(run(image, make(tmp_path / "other", 2), tmp_path / "out.tif"), second)


def test_weights_alone_can_change(tmp_path: Path, image: str, loads: list[str]) -> None:
    """Of a SavedModel, by a file in the folder `variables` with the same graph beside it."""
    module = tf.Module()
    module.more = tf.Variable(1.0)
    module.serve = tf.function(lambda x: {"y": x[..., :1] + module.more})
    signature = module.serve.get_concrete_function(tf.TensorSpec([None, None, None, 2], "float32", name="x"))
    model = tmp_path / "net"
    tf.saved_model.save(module, str(model), signatures=signature)
    first = run(image, str(model), tmp_path / "out.tif")
    graph = model / "saved_model.pb"
    before = graph.stat()
    module.more.assign(5.0)
    tf.saved_model.save(module, str(tmp_path / "new"), signatures=signature)
    for file in (tmp_path / "new" / "variables").iterdir():
        (model / "variables" / file.name).write_bytes(file.read_bytes())
    os.utime(graph, ns=(before.st_atime_ns, before.st_mtime_ns))
    np.testing.assert_allclose(run(image, str(model), tmp_path / "out.tif") - first, 4.0, atol=1e-2)
    assert len(loads) == 2


def test_other_types_and_placeholders_are_traced_anew(tmp_path: Path, image: str, loads: list[str]) -> None:
    def body(x: Any, more: Any) -> dict[str, Any]:
        return {"y": x[..., :1] + more}

    model = serving.save(tmp_path / "net", body, x=([None, None, None, 2], "float32"), more=([], "float32"))
    one, two = (run(image, model, tmp_path / "out.tif", model_userplaceholders=f"more={number}") for number in (1, 2))
    np.testing.assert_array_equal(two - one, 1.0)
    small = serving.write(tmp_path / "bytes.tif", serving.noise(20, 20, 2))
    assert run(small, model, tmp_path / "out.tif", model_userplaceholders="more=1").max() <= 256
    assert loads == ["net"]


def test_few_models_are_kept_and_no_large_ones(
    tmp_path: Path, image: str, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [add(tmp_path / f"net{number}", number) for number in range(modelcache.MOST_MODELS + 1)]
    for model in models:
        run(image, model, tmp_path / "out.tif")
    assert len(modelcache._models) == modelcache.MOST_MODELS
    loads.clear()
    run(image, models[-1], tmp_path / "out.tif")
    run(image, models[0], tmp_path / "out.tif")
    assert loads == ["net0"]
    monkeypatch.setattr(modelcache, "MOST_BYTES", 10)
    run(image, models[1], tmp_path / "out.tif")
    assert len(modelcache._models) == 0


def test_the_log_says_what_was_chosen(tmp_path: Path, image: str) -> None:
    log = serving.Log()
    model = a_keras_file(tmp_path / "net.keras", 1)
    serving.serve(log, source1_il=image, model_dir=model, out=str(tmp_path / "out.tif"), optim_tilesizex=64)
    (chosen,) = (line for line in log.infos if line.startswith("Chosen: "))
    for words in ("read through GDAL's cache of blocks", "computed on the CPU", "oneDNN", "no XLA", "more pixels"):
        assert words in chosen
    share = float(chosen.split("; ")[-1].split("%")[0])
    assert 5 < share < 15  # 150 x 170 in tiles of 64 x 64, each with a line of its neighbours on either side


def normalized(path: Path) -> str:
    """A network whose weights can be put together: batch normalisation becomes part of the convolution, rounded otherwise."""
    keras.utils.set_random_seed(5)
    x = keras.Input((None, None, 2))
    y = keras.layers.BatchNormalization(moving_variance_initializer=keras.initializers.RandomUniform(0.5, 2.0))(
        keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    )
    keras.Model(x, keras.layers.Conv2D(1, 3, padding="same", activation="relu")(y)).save(path)
    return str(path)


def counting(folder: Path) -> str:
    """A model that counts its calls."""

    class Counting(tf.Module):
        def __init__(self) -> None:
            self.calls = tf.Variable(0.0)
            self.weight = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 2), tf.float32, name="x")])
        def serve(self, x: Any) -> Any:
            self.calls.assign_add(1.0)
            return {"y": self.weight * x}

    module = Counting()
    tf.saved_model.save(module, str(folder), module.serve)
    return str(folder)


def test_weights_become_constants_where_that_pays_and_changes_nothing(
    tmp_path: Path, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {}
    models = {"plain": a_keras_file(tmp_path / "a.keras", 1), "counting": counting(tmp_path / "counting")}
    models["normalized"] = normalized(tmp_path / "normalized.keras")
    for name, model in models.items():
        before[name] = run(image, model, tmp_path / "out.tif", optim_tilesizex=64)
    monkeypatch.setattr(runplan, "FREEZING_PAYS", 0.0)
    monkeypatch.setattr(runplan, "FREEZING_PAYS_PER_MB", 0.0)
    for name, model in models.items():
        for _ in range(2):
            log = serving.Log()
            out = tmp_path / "out.tif"
            serving.serve(log, source1_il=image, model_dir=model, out=str(out), optim_tilesizex=64)
            np.testing.assert_array_equal(serving.read(str(out)), before[name])
            (chosen,) = (line for line in log.infos if line.startswith("Chosen: "))
            assert ("weights as constants" in chosen) == (name == "plain"), name


def test_parts_have_weights_as_constants_where_their_plan_says_so(
    tmp_path: Path, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run that makes the plan has tried holds for all, also where they would not have tried it."""
    model = a_keras_file(tmp_path / "net.keras", 1)
    more = {"model_dir": model, "source1_il": image, "optim_tilesizex": 16}
    serving.serve(serving.Log(), out=str(tmp_path / "whole.tif"), **more)
    made: list[str] = []
    monkeypatch.setattr(compute, "frozen", lambda function: made.append("") or freezing.frozen(function))
    plan = tmp_path / "map.parts" / "plan.json"
    for part, pays in enumerate([0.0, float("inf")]):
        monkeypatch.setattr(modelcache, "_models", type(modelcache._models)())
        monkeypatch.setattr(runplan, "FREEZING_PAYS", pays)
        monkeypatch.setattr(runplan, "FREEZING_PAYS_PER_MB", 0.0)
        made.clear()
        serving.serve(serving.Log(), out=str(tmp_path / "map.vrt"), part=f"{part}/2", **more)
        assert json.loads(plan.read_text())["way"]["constant"] and made
    np.testing.assert_array_equal(serving.read(tmp_path / "map.vrt"), serving.read(tmp_path / "whole.tif"))


def test_an_image_that_is_flat_in_its_middle_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = serving.noise(300, 300, 2, "uint16")
    pixels[20:-20, 20:-20] = 0
    flat = serving.write(tmp_path / "flat.tif", pixels, options=["TILED=YES"])
    model = normalized(tmp_path / "normalized.keras")
    before = run(flat, model, tmp_path / "out.tif", optim_tilesizex=64)
    monkeypatch.setattr(runplan, "FREEZING_PAYS", 0.0)
    monkeypatch.setattr(runplan, "FREEZING_PAYS_PER_MB", 0.0)
    np.testing.assert_array_equal(run(flat, model, tmp_path / "out.tif", optim_tilesizex=64), before)


def test_constants_that_fail_are_not_used(tmp_path: Path, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = a_keras_file(tmp_path / "net.keras", 1)
    before = run(image, model, tmp_path / "out.tif", optim_tilesizex=64)
    monkeypatch.setattr(runplan, "FREEZING_PAYS", 0.0)
    monkeypatch.setattr(runplan, "FREEZING_PAYS_PER_MB", 0.0)

    def failing(*images: Any) -> Any:
        raise tf.errors.NotFoundError(None, None, "no such function")

    monkeypatch.setattr(compute, "frozen", lambda function: failing)
    np.testing.assert_array_equal(run(image, model, tmp_path / "out.tif", optim_tilesizex=64), before)
