"""Shares between 0 and 1: the loss, the template field_boundaries, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import training_scene as scene
from api_helpers import write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.parameters.templatenames import TEMPLATES, TRAINABLE
from otbtf_qgis.core.parameters.traininggroups import LOSSES
from otbtf_qgis.core.training.compileoptions import TrainedOutput, loss_name
from otbtf_qgis.core.training.losses import TanimotoLoss
from otbtf_qgis.core.training.suitedloss import suited_loss


def test_the_loss_is_that_of_diakogiannis() -> None:
    expected, found = np.random.default_rng(0).random((2, 3, 4, 5, 2)).astype("float32")
    bands = []
    for band in range(2):
        pair = []
        for label, share in ((expected[..., band], found[..., band]), (1 - expected[..., band], 1 - found[..., band])):
            both = (label * share).sum()
            pair.append(both / ((label**2).sum() + (share**2).sum() - both))
        bands.append(sum(pair) / 2)
    assert float(TanimotoLoss()(expected, found)) == pytest.approx(1 - np.mean(bands), rel=1e-5)
    assert float(TanimotoLoss()(expected, expected)) == pytest.approx(0, abs=1e-6)


def learn(folder: Path, factor: float = 1.0, **more: Any) -> tuple[dict[str, Any], scene.Log]:
    """Train on patches of bright squares: their extent, and made-up boundaries and distances."""
    pixels = np.zeros((12, 8, 8, 2), "float32")
    for number, patch in enumerate(pixels):
        patch[number % 4 : number % 4 + 4, 2:6] = 1
    target = factor * np.stack((pixels[..., 0], 0.5 * pixels[..., 0], 1 - pixels[..., 0]), axis=-1)
    sources = {
        "training.source1.il": [write(folder / "image.tif", pixels)],
        "training.source2.il": [write(folder / "target.tif", target)],
    }
    values = {"model__dir": "template:field_boundaries", "width": 4, "depth": 1, "training__epochs": 5, **more}
    log = scene.Log()
    found = scene.train(
        log,
        **sources,
        **values,
        training__batchsize=4,
        learning_rate=0.02,
        seed=1,
        out__keras=str(folder / "fields.keras"),
        out__history=str(folder / "history.csv"),
    )
    return found, log


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A training that is given no loss."""
    folder = tmp_path_factory.mktemp("learned")
    _, log = learn(folder, model__saveto=str(folder / "saved"))
    return SimpleNamespace(folder=folder, log=log, keras=str(folder / "fields.keras"), saved=str(folder / "saved"))


def test_field_boundaries_learns_three_bands_by_it(learned: SimpleNamespace) -> None:
    assert any("loss tanimoto" in line for line in learned.log.lines)
    losses = [row["loss"] for row in scene.history(learned.folder / "history.csv")]
    assert losses[-1] < 0.6 * losses[0]


def test_a_further_training_goes_on_with_the_loss(learned: SimpleNamespace, tmp_path: Path) -> None:
    _, log = learn(tmp_path, training__epochs=1, width=None, depth=None, model__dir=learned.keras)
    assert any("loss tanimoto" in line for line in log.lines)
    assert suited_loss(learned.saved, "predictions") == "tanimoto"
    assert suited_loss(str(tmp_path / "fields.keras"), "predictions") == "tanimoto"


def test_sidecars_that_are_written_anew_keep_the_loss(learned: SimpleNamespace, tmp_path: Path) -> None:
    registry.run("DescribeModel", {"model.dir": learned.keras, "sidecar": True, "probing": "fast"})
    assert suited_loss(learned.keras, "predictions") == "tanimoto"
    exported = str(tmp_path / "exported")
    registry.run("ExportSavedModel", {"model.dir": learned.keras, "out": exported})
    assert suited_loss(exported, "predictions") == "tanimoto"


def test_targets_beyond_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="TRAINING_SOURCE2_IL holds the value 255, but LOSS is tanimoto"):
        learn(tmp_path, 255)


def test_a_template_too_deep_for_its_patches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot be applied to patches of 8 x 8 x 2: .* lower DEPTH of a template"):
        learn(tmp_path, depth=4)


def test_a_created_model_is_trained_by_the_loss_of_its_template(tmp_path: Path) -> None:
    for template, loss in (("field_boundaries", "tanimoto"), ("super_resolution", "mae")):
        model = str(tmp_path / f"{template}.keras")
        made = {"template": template, "bands": "2", "width": 4, "depth": 1, "out.keras": model}
        assert registry.run("CreateModel", made)["loss"] == loss
        assert suited_loss(model, "predictions") == loss
    assert suited_loss("template:super_resolution", "predictions") == "mae"
    Path(f"{model}.json").unlink()
    assert suited_loss(model, "predictions") == ""


@pytest.mark.parametrize(
    ("kind", "bands", "suited", "loss"),
    [
        ("rmse", 3, "huber", "huber"),
        ("rmse", 3, "focal", "mse"),
        ("rmse", 3, "of another program", "mse"),
        ("class", 3, "focal", "focal"),
        ("class", 1, "focal", "binary_crossentropy"),
        ("class", 3, "binary_crossentropy", "categorical_crossentropy"),
        ("class", 3, "mae", "categorical_crossentropy"),
    ],
)
def test_a_known_loss_counts_where_it_fits(kind: str, bands: int, suited: str, loss: str) -> None:
    output = TrainedOutput("predictions", (4, 4, bands), False)
    assert loss_name("auto", kind, output, suited) == loss
    assert loss_name("dice", kind, output, suited) == "dice"


@pytest.mark.parametrize("name", sorted(TRAINABLE))
def test_templates_name_their_loss_as_the_key_does(name: str) -> None:
    assert TEMPLATES[name].loss_word in LOSSES
