"""What is read as JSON: whatever it holds, it is used, or refused by an error of ours."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from osgeo import gdal

from otbtf_qgis.core.base.jsonvalues import Json, OddJson, parse, read
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.classes.classnames import ClassNames
from otbtf_qgis.core.classes.legend import read_legend
from otbtf_qgis.core.classifiers.classifierfiles import load as read_classifier
from otbtf_qgis.core.errors import ClassifierError, EngineError, ModelError, OtbtfError, ParameterError, RecordsError
from otbtf_qgis.core.machine.interpreters import inspect_python
from otbtf_qgis.core.models.kerasfile import check_keras_file, check_weights_file
from otbtf_qgis.core.models.sidecar import geometry_as_json, read_sidecar
from otbtf_qgis.core.patches.patchesimage import read_description
from otbtf_qgis.core.phrases import decoded
from otbtf_qgis.core.tfrecords import TFRecords
from otbtf_qgis.core.training.checkpoints import Checkpoints, TrainingState
from otbtf_qgis.core.training.strategies import _checked
from otbtf_qgis.core.workflows.landcoverlabels import parse_legend

bounded = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

ODD_TEXTS = {
    "not JSON": b"{",
    "empty": b"",
    "not UTF-8": b'{"a": "\xff"}',
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep dictionaries": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "rather deep": b'{"a":' * 200 + b"1" + b"}" * 200,
    "many digits": b'{"a": ' + b"9" * 10_000 + b"}",
    "too large": b'{"a": 1e999}',
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "twice": b'{"a": 1, "a": 2}',
}


class TestParse:
    @pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
    def test_odd_texts(self, text: bytes) -> None:
        with pytest.raises(OddJson):
            parse(text)

    def test_of_a_gigantic_file_nothing_is_read(self, tmp_path: Path) -> None:
        with open(tmp_path / "a.json", "wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(OddJson, match="has 1099512 MB, but at most 17 MB"):
            read(tmp_path / "a.json")

    @bounded
    @given(
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=4))
    )
    def test_what_json_writes_is_read(self, value: Any) -> None:
        assert parse(json.dumps(value)).value == value

    @pytest.mark.parametrize("value", ["1/0", "0", "-1/2", "1e9", "9" * 30, 0, -1, 1.5, True, None, [], "1/2/3", " 1"])
    def test_odd_ratios(self, value: Any) -> None:
        with pytest.raises(OddJson):
            Json(value).ratio()

    def test_values(self) -> None:
        content = parse('{"ratio": "2/6", "whole": 3.0, "list": [1, "a"], "flag": true, "number": 1e-3}')
        assert content["ratio"].ratio() == Fraction(1, 3) and content["whole"].whole() == 3
        assert content["flag"].flag() is True and content["number"].number() == 0.001
        with pytest.raises(OddJson, match=r"^list\[1\] is 'a', but must be a whole number$"):
            [item.whole() for item in content["list"].items()]
        with pytest.raises(OddJson, match="^it has no other$"):
            content["other"]


# ------------------------------------------------------------- what is read


def sidecar() -> dict[str, Any]:
    """A sidecar as it should be."""
    axis = {"scale": "1/2", "lattice": 4, "rfield": 16, "efield": 8, "fixed": False}
    around = {"size": [64, 64], "whole": False, "stride": 4, "margin_x": [3, 4], "margin_y": [3, 4], "reason": ""}
    geometry = {
        "output": "y",
        "verdict": "fully convolutional",
        "inputs": ["a", "b"],
        "bands": [4, 6],
        "ratios": ["1", "1/2"],
        "offsets": [0, -1],
        "placeholders": {"keep": [1.0]},
        "x": axis,
        "y": axis,
        "patch": [16, 16],
        "surroundings": around,
        "true_receptive_fields": [[16, 16], [8, 8]],
    }
    rows = [{"value": 1, "title": "water", "color_hint": "3060C0"}]
    output = {"name": "y", "classification:classes": rows}
    return {"properties": {"otbtf:geometry": [geometry], "mlm:output": [output]}}


def description() -> dict[str, Any]:
    """The JSON of a patches image as it should be."""
    row = {"min": 0.0, "max": 9.0, "mean": 3.0, "std": 1.0}
    return {
        "version": 1,
        "content": "patches",
        "patch_width": 4,
        "patch_height": 2,
        "bands": 1,
        "patches": 3,
        "pixel_type": "uint8",
        "sources": ["a.tif"],
        "classes": [{"value": 1, "name": "water", "color": "#3060c0"}],
        "groups": "0 0 1",
        "statistics": [row],
    }


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where in JSON there is anything."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, child in children for found in places(child, (*place, key)))]


def spoilt(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    if not place:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = spoilt(copy[place[0]], place[1:], odd)
    return copy


NUMBERS = (0, -1, 10**18, -(10**18), 10**60, 0.5, 1e308, -1e308, 5e-324)
odd = (
    st.sampled_from([*NUMBERS, None, True, "", "1/0", "0", "1e999999999", "x" * 200, [], {}, [[]], [None], {"a": None}])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.lists(st.integers() | st.text(max_size=3), max_size=4)
    | st.dictionaries(st.text(max_size=5), st.integers(), max_size=3)
)


@st.composite
def spoiling(draw: Any, whole: dict[str, Any]) -> bytes:
    """JSON of which one or two parts are something else."""
    value = whole
    for _ in range(draw(st.integers(1, 2))):
        value = spoilt(value, draw(st.sampled_from(places(value))), draw(odd))
    return json.dumps(value).encode()


def tried(read_it: Callable[[], Any], *errors: type[OtbtfError]) -> Any:
    """Return what is read, or None where it is refused by an error that says so."""
    try:
        return read_it()
    except errors as error:
        assert len(str(error)) < 1500
        return None


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = tmp_path_factory.mktemp("net") / "net.keras"
    net.write_bytes(b"a model")
    return net


class TestSidecar:
    def written(self, net: Path, text: bytes) -> Any:
        net.with_name("net.keras.json").write_bytes(text)
        return tried(lambda: read_sidecar(str(net)), ModelError)

    def test_whole(self, net: Path) -> None:
        found = self.written(net, json.dumps(sidecar()).encode())
        assert (
            json.loads(json.dumps([geometry_as_json(found.geometries["y"])]))
            == sidecar()["properties"]["otbtf:geometry"]
        )
        assert [(row.value, row.name, row.color) for row in found.classes["y"]] == [(1, "water", "#3060c0")]

    @pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
    def test_odd_texts_are_refused(self, net: Path, text: bytes) -> None:
        assert self.written(net, text) is None

    @bounded
    @given(text=spoiling(sidecar()))
    def test_spoilt(self, net: Path, text: bytes) -> None:
        found = self.written(net, text)
        for geometry in found.geometries.values() if found else ():
            for axis in filter(None, (geometry.x, geometry.y)):
                assert axis.scale > 0 and min(axis.lattice, axis.rfield, axis.efield) > 0
            assert len(geometry.bands) == len(geometry.ratios) == len(geometry.offsets) == len(geometry.inputs)

    def test_the_message_says_where(self, net: Path) -> None:
        content = spoilt(sidecar(), ("properties", "otbtf:geometry", 0, "x", "lattice"), 0)
        net.with_name("net.keras.json").write_text(json.dumps(content))
        with pytest.raises(ModelError, match=r"properties\.otbtf:geometry\[0\]\.x\.lattice is 0, .*Delete the sidecar"):
            read_sidecar(str(net))


class TestPatches:
    def written(self, folder: Path, text: bytes) -> Any:
        (folder / "p.tif.json").write_bytes(text)
        return tried(lambda: read_description(str(folder / "p.tif")), ParameterError)

    def test_whole(self, tmp_path: Path) -> None:
        assert self.written(tmp_path, json.dumps(description()).encode()) == description()

    def test_of_another_program(self, tmp_path: Path) -> None:
        assert self.written(tmp_path, b'{"version": 7, "bands": 0}') == {}

    @pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
    def test_odd_texts_are_refused(self, tmp_path: Path, text: bytes) -> None:
        assert self.written(tmp_path, text) is None

    @bounded
    @given(text=spoiling(description()))
    def test_spoilt(self, tmp_path: Path, text: bytes) -> None:
        found = self.written(tmp_path, text)
        if found:
            assert all(found.get(name) is None or found[name] > 0 for name in ("patch_width", "patch_height", "bands"))
            np.array((found.get("groups") or "").split(), "int64")
            assert all(
                float(value or 0) == value or value is None
                for row in found.get("statistics") or ()
                for value in row.values()
            )


class TestLegend:
    """Names and colours help people; what is odd is left out, with a warning."""

    @pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
    def test_odd_texts(self, tmp_path: Path, text: bytes) -> None:
        (tmp_path / "map.tif.json").write_bytes(text)
        told: list[str] = []
        assert read_legend(str(tmp_path / "map.tif"), warn=told.append) == {}
        assert len(told) == 1 and "map.tif.json cannot be used" in told[0]

    @bounded
    @given(text=spoiling({"classes": [{"value": 1, "name": "water", "color": "#3060c0"}, {"value": 2}]}))
    def test_spoilt(self, tmp_path: Path, text: bytes) -> None:
        (tmp_path / "map.tif.json").write_bytes(text)
        for value, entry in read_legend(str(tmp_path / "map.tif"), warn=lambda _: None).items():
            assert isinstance(value, int) and isinstance(entry.name, str) and isinstance(entry.color, str)

    @bounded
    @given(text=spoiling({"1": {"name": "water", "color": "#3060c0"}}) | st.binary(max_size=20))
    def test_parameters(self, text: bytes) -> None:
        given_text = text.decode("latin-1")
        image = gdal.GetDriverByName("MEM").Create("", 1, 1)
        tried(lambda: parse_legend(given_text), ParameterError)
        tried(lambda: ClassNames(given_text, image), ParameterError)
        tried(lambda: _checked(given_text), ParameterError)


class TestRecords:
    def written(self, folder: Path, types: bytes, shapes: bytes) -> Any:
        (folder / "output_types.json").write_bytes(types)
        (folder / "output_shapes.json").write_bytes(shapes)
        return tried(lambda: TFRecords(folder), RecordsError)

    def test_whole(self, tmp_path: Path) -> None:
        found = self.written(tmp_path, b'{"x": "float32"}', b'{"x": [4, 4, null]}')
        assert (found.output_types, found.output_shapes) == ({"x": "float32"}, {"x": [4, 4, None]})

    @pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
    def test_odd_texts_are_refused(self, tmp_path: Path, text: bytes) -> None:
        assert self.written(tmp_path, text, b"{}") is None
        assert self.written(tmp_path, b"{}", text) is None

    @pytest.mark.parametrize(
        ("types", "shapes"),
        [
            ({"x": "complex1"}, {"x": [1]}),
            ({"x": 5}, {"x": [1]}),
            ({"x": "float32"}, {"y": [1]}),
            ({"x": "float32"}, {"x": [0]}),
            ({"x": "float32"}, {"x": [10**6, 10**6]}),
            ({"x": "float32"}, {"x": "4"}),
            ({"x": "float32"}, {"x": [1.5]}),
            ([], {}),
        ],
    )
    def test_odd_values_are_refused(self, tmp_path: Path, types: Any, shapes: Any) -> None:
        assert self.written(tmp_path, json.dumps(types).encode(), json.dumps(shapes).encode()) is None

    @bounded
    @given(types=spoiling({"x": "float32", "y": "int64"}), shapes=spoiling({"x": [4, 4, 2], "y": [1]}))
    def test_spoilt(self, tmp_path: Path, types: bytes, shapes: bytes) -> None:
        found = self.written(tmp_path, types, shapes)
        for shape in (found.output_shapes or {}).values() if found else ():
            assert 0 < math.prod(size or 1 for size in shape) < 2**31


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("state")
    Checkpoints(folder, {"batch": 4}, Progress()).write(
        TrainingState(2, 0.5, 1, 0, [{"loss": math.nan}]), [np.arange(3.0)]
    )
    with zipfile.ZipFile(folder / "checkpoint.npz") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class TestCheckpoint:
    def read(self, folder: Path, parts: dict[str, bytes]) -> Any:
        with zipfile.ZipFile(folder / "checkpoint.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
        return tried(Checkpoints(folder, {"batch": 4}, Progress(), writing=False).read, ParameterError)

    def test_whole(self, tmp_path: Path, state: dict[str, bytes]) -> None:
        found, values = self.read(tmp_path, state)
        assert found.epoch == 2 and math.isnan(found.history[0]["loss"]) and values[0].tolist() == [0.0, 1.0, 2.0]

    @bounded
    @given(
        text=spoiling(
            {"identity": {"batch": 4}, "variables": 1, "state": vars(TrainingState(2, 0.5, 1, 0, [{"loss": 1.0}]))}
        )
    )
    def test_spoilt(self, tmp_path: Path, state: dict[str, bytes], text: bytes) -> None:
        np.save(tmp_path / "state.npy", np.array(text.decode()))
        found = self.read(tmp_path, {**state, "state.npy": (tmp_path / "state.npy").read_bytes()})
        assert found is None or (isinstance(found[0].epoch, int) and found[0].epoch >= 0)

    def test_arrays_that_are_larger_than_the_file(self, tmp_path: Path, state: dict[str, bytes]) -> None:
        huge = state["v0.npy"].replace(b"(3,), }" + b" " * 12, b"(9999999999999,), }")
        assert huge != state["v0.npy"] and len(huge) == len(state["v0.npy"])
        assert self.read(tmp_path, {**state, "v0.npy": huge}) is None


# ---------------------------------------------------------------- archives


def bomb(path: Path, parts: dict[str, bytes], name: str, megabytes: int) -> Path:
    """Write an archive in which one member unpacks to so much."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for other, data in parts.items():
            if other != name:
                archive.writestr(other, data)
        with archive.open(name, "w") as member:
            for _ in range(megabytes):
                member.write(b" " * 1_000_000)
    return path


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("net") / "net.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)
    check_keras_file(str(path))
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class TestArchives:
    @pytest.mark.parametrize(
        ("name", "megabytes"),
        [("config.json", 1000), ("metadata.json", 100), ("model.weights.h5", 100), ("assets/vocabulary.txt", 100)],
    )
    def test_a_member_that_unpacks_to_a_gigabyte(
        self, tmp_path: Path, parts: dict[str, bytes], name: str, megabytes: int
    ) -> None:
        path = bomb(tmp_path / "net.keras", parts, name, megabytes)
        assert path.stat().st_size < 2_000_000
        with pytest.raises(ModelError, match=rf"not loaded: its \S+ MB would unpack to {megabytes} MB"):
            check_keras_file(str(path))

    def test_a_configuration_that_is_no_bomb_yet_too_large(self, tmp_path: Path, parts: dict[str, bytes]) -> None:
        with pytest.raises(ModelError, match="more than 17 MB"):
            check_keras_file(str(bomb(tmp_path / "net.keras", parts, "config.json", 40)))

    def test_weights_that_are_larger_than_their_file(self, tmp_path: Path, parts: dict[str, bytes]) -> None:
        file = tmp_path / "model.weights.h5"
        file.write_bytes(parts["model.weights.h5"])
        with h5py.File(file, "r+") as weights:
            weights.create_dataset("layers/huge", shape=(30_000, 30_000), dtype="f4", chunks=(1000, 1000))
        with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
            for name, data in {**parts, "model.weights.h5": file.read_bytes()}.items():
                archive.writestr(name, data)
        for check, path in (
            (check_keras_file, "net.keras"),
            (check_weights_file, file),
        ):
            with pytest.raises(ModelError, match="would unpack to 3600 MB"):
                check(str(tmp_path / path))

    def test_weights_that_say_that_they_are_smaller(self, tmp_path: Path, parts: dict[str, bytes]) -> None:
        path = bomb(tmp_path / "net.keras", parts, "model.weights.h5", 100)
        raw = path.read_bytes()
        path.write_bytes(raw.replace((100_000_000).to_bytes(4, "little"), (1_000_000).to_bytes(4, "little")))
        with pytest.raises(ModelError, match="damaged"):
            check_keras_file(str(path))

    @pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
    def test_odd_configurations(self, tmp_path: Path, parts: dict[str, bytes], text: bytes) -> None:
        with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
            for name, data in {**parts, "config.json": text}.items():
                archive.writestr(name, data)
        if text in (ODD_TEXTS["NaN"], ODD_TEXTS["infinity"], ODD_TEXTS["too large"], ODD_TEXTS["rather deep"]):
            check_keras_file(str(tmp_path / "net.keras"))  # settings of layers may be so
            return
        with pytest.raises(ModelError, match="damaged"):
            check_keras_file(str(tmp_path / "net.keras"))

    def test_a_bomb_of_a_classifier(self, tmp_path: Path) -> None:
        path = bomb(tmp_path / "a.skops", {}, "otbtf.json", 100)
        with pytest.raises(ClassifierError, match="would unpack to 100 MB"):
            read_classifier(str(path))

    @bounded
    @given(
        text=spoiling(
            {
                "format": 1,
                "scikit-learn": "1.9.1",
                "classifier": "rf",
                "features": ["a"],
                "classes": [{"value": 1, "name": "", "color": ""}],
            }
        )
    )
    def test_a_spoilt_classifier(self, tmp_path: Path, text: bytes) -> None:
        with zipfile.ZipFile(tmp_path / "a.skops", "w") as archive:
            archive.writestr("otbtf.json", text)
        with pytest.raises(ClassifierError):
            read_classifier(str(tmp_path / "a.skops"))


# ------------------------------------------------------------------- pipes


def test_an_interpreter_that_says_odd_things(tmp_path: Path) -> None:
    for said in ("[]", "{}", '{"version": [3]}', "[" * 10_000, '{"version": "3.11", "numpy": {}}'):
        program = tmp_path / "python"
        program.write_text(f"#!{sys.executable}\nprint('OTBTF ' + {said!r})\n")
        program.chmod(0o755)
        with pytest.raises(EngineError, match="does not work"):
            inspect_python(program)


class TestRequests:
    """Lines that no engine of ours would be sent: each is answered, and the next one is served."""

    WORKER = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from otbtf_qgis.core.worker import main
from otbtf_qgis.core.phrases import decoded
main(lambda name, values, progress: values, [lambda: None])
"""

    def test_each_is_answered(self) -> None:
        more = [b"[]", b"1", b'"cancel"', b'{"id": 3}', b'{"id": 4, "run": 5, "values": {}}', b'{"cancel": "x"}']
        wrong = [*ODD_TEXTS.values(), *more, b'{"id": 5, "run": "X", "values": []}']
        good = b'{"id": 7, "run": "X", "values": {"a": NaN}}'
        tree = Path(__file__).parents[3] / "build" / "tree"
        command = [sys.executable, "-c", self.WORKER, str(tree)]
        events = []
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as engine:
            engine.stdin.write(b"\n".join([*wrong, good, b""]))
            engine.stdin.flush()
            while not events or events[-1]["event"] != "result":
                events.append(json.loads(engine.stdout.readline()))
        errors = [event for event in events if event["event"] == "error"]
        assert len(errors) == len(wrong)
        assert all("cannot read the request" in decoded(event["message"]) for event in errors)
        assert [event["id"] for event in errors if event["id"]] == [3, 4, 5]
        assert events[-1]["id"] == 7 and math.isnan(events[-1]["results"]["a"])
