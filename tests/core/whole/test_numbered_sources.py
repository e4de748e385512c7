"""Operations take any number of sources; documentation and dialogs show some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from serving import read, texture, write_at

pytest.importorskip("tensorflow")

import keras

from otbtf_qgis import core
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.operations.tensorflowmodelserve import TensorflowModelServe
from otbtf_qgis.core.parameters.parsing import keys, parse
from otbtf_qgis.core.workflows.commandline import parse_commands

COUNT = 13
"""As many as decloud's monthly synthesis has."""


def given(count: int) -> dict[str, str]:
    return {f"source{number}.il": f"{number}.tif" for number in range(1, count + 1)}


@pytest.mark.parametrize("count", [1, 8, 9, 13, 70])
def test_as_many_as_are_given(count: int) -> None:
    parameters = parse(TensorflowModelServe, {**given(count), "model.dir": "m", "out": "o.tif"})
    assert [source.il for source in parameters.sources] == [(f"{number}.tif",) for number in range(1, count + 1)]


def test_a_gap_is_told_however_large() -> None:
    values = {**given(2), "source999999.il": "a.tif", "model.dir": "m", "out": "o.tif"}
    with pytest.raises(ParameterError, match="SOURCE999999_IL is given, but nothing for SOURCE3"):
        parse(TensorflowModelServe, values)
    for wrong in ("source0.il", "source01.il", "source9999999.il", "source12.ill"):
        with pytest.raises(ParameterError, match=f"Unknown parameter {wrong}"):
            parse(TensorflowModelServe, {**given(2), wrong: "a.tif", "model.dir": "m", "out": "o.tif"})


def test_the_keys_of_many_are_found_by_key_and_by_parameter() -> None:
    for name in ("source13.il", "SOURCE13_IL"):
        assert "source13.rfieldx" in [key.name for key in keys(TensorflowModelServe, [name])]
    assert "source13.il" not in [key.name for key in keys(TensorflowModelServe)]
    assert "source13.il" in [key.name for key in keys(TensorflowModelServe, sources=13)]


def test_thirteen_are_served(tmp_path: Path) -> None:
    inputs = [keras.Input((None, None, 1), name=f"x{number:02}") for number in range(COUNT)]
    weighted = [number * tensor for number, tensor in enumerate(inputs, 1)]
    total = keras.layers.Identity(name="y")(keras.ops.sum(keras.ops.stack(weighted), axis=0))
    keras.Model(inputs, total).save(tmp_path / "m.keras")
    images = [texture(6, 7, 1, seed) for seed in range(COUNT)]
    paths = [write_at(tmp_path / f"{number}.tif", image) for number, image in enumerate(images)]
    expected = sum(number * image.astype("float64") for number, image in enumerate(images, 1))
    line = " ".join(f"-source{number}.il {path}" for number, path in enumerate(paths, 1))
    (call,) = parse_commands(
        f"OTB_TF_NSOURCES={COUNT} otbcli_TensorflowModelServe {line} -model.dir {tmp_path / 'm.keras'} -out {tmp_path / 'o.tif'} "
        "-output.names y -model.fullyconv on"
    )
    core.run(call.application, call.values)
    np.testing.assert_allclose(read(str(tmp_path / "o.tif")), expected, rtol=1e-5)
    many = {f"source{number}_il": path for number, path in enumerate(paths, 1)}
    core.TensorflowModelServe(model_dir=tmp_path / "m.keras", out=tmp_path / "p.tif", **many)
    np.testing.assert_allclose(read(str(tmp_path / "p.tif")), expected, rtol=1e-5)
