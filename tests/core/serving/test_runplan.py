"""A run's plan: made once, never changed, and followed to the bit by whoever opens the same model."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
import small_models

keras = pytest.importorskip("keras")

from otbtf_qgis.core.base.progress import Progress  # noqa: E402
from otbtf_qgis.core.geometry.grid import Box  # noqa: E402
from otbtf_qgis.core.operations.tensorflowmodelserve import TensorflowModelServe  # noqa: E402
from otbtf_qgis.core.parameters.parsing import parse  # noqa: E402
from otbtf_qgis.core.serving.memorybudget import MemoryBudget  # noqa: E402
from otbtf_qgis.core.serving.openmodel import OpenModel, open_model  # noqa: E402
from otbtf_qgis.core.serving.parameterresolution import serve_settings  # noqa: E402
from otbtf_qgis.core.serving.runplan import RunPlan, plan_run  # noqa: E402
from otbtf_qgis.core.serving.tilecomputer import TileOutput  # noqa: E402
from otbtf_qgis.core.serving.tiledrun import TiledRun  # noqa: E402

OUTPUT = TileOutput(np.dtype("float32"))
PATCHES = {"model.fullyconv": "off", "source1.rfieldx": 12, "source1.rfieldy": 12}
CASES = {
    "regions that overlap": ("unet", {"optim.tilesizex": 16}),
    "the whole image": ("attention", {"optim.tilesizex": 16}),
    "windows": ("attention", {"model.context": 16, "optim.tilesizex": 16}),
    "patches": ("valid", PATCHES),
    "patches of one size": ("classifier", {}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans")
    serving.write(folder / "image.tif", serving.noise(60, 72, 3, "float32"))
    for name in ("unet", "attention", "valid", "classifier"):
        keras.utils.set_random_seed(3)
        small_models.save(getattr(small_models, name)(), folder, name)
    return folder


class Kept:
    """Takes tiles, as a raster does."""

    def __init__(self, box: Box, bands: int) -> None:
        self.values = np.full((box.height, box.width, bands), np.nan, "float32")

    def write(self, box: Box, array: np.ndarray) -> None:
        self.values[box.y : box.bottom, box.x : box.right] = array


def planned(folder: Path, case: str) -> tuple[OpenModel, RunPlan]:
    name, more = CASES[case]
    given = {"source1.il": str(folder / "image.tif"), "model.dir": str(folder / f"{name}.keras"), "out": "no.tif"}
    settings = serve_settings(parse(TensorflowModelServe, {**given, **more}))
    opened = open_model(settings, Progress())
    memory = MemoryBudget.of(settings.memory, opened.sources)
    return opened, plan_run(opened, opened.geometry.grid.box, OUTPUT, settings.tiling, memory, Progress())


def followed(opened: OpenModel, plan: RunPlan) -> np.ndarray:
    kept = Kept(plan.box, plan.bands)
    TiledRun(opened, plan, OUTPUT).write(kept, Progress())
    assert not np.isnan(kept.values).any(), "the tiles cover the box"
    return kept.values


@pytest.mark.parametrize("case", CASES)
def test_a_plan_is_followed_to_the_bit_by_another_that_opens_the_model(folder: Path, case: str) -> None:
    opened, plan = planned(folder, case)
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan
    expected = followed(opened, plan)
    other = planned(folder, case)[0]
    np.testing.assert_array_equal(followed(other, again), expected)
    computer = again.computer(other, OUTPUT)
    for tile in list(again.tiles())[::-1]:  # each tile alone, in any order
        found = computer.values(tile, computer.read(tile))
        np.testing.assert_array_equal(found, expected[tile.y : tile.bottom, tile.x : tile.right])


def test_planning_changes_nothing_that_was_opened(folder: Path) -> None:
    opened, plan = planned(folder, "regions that overlap")
    assert opened.geometry.fields.x.margin == (0, 0)
    assert min(plan.geometry.fields.x.margin) > 0


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(RunPlan)])
def test_a_plan_is_frozen(folder: Path, name: str) -> None:
    plan: Any = planned(folder, "patches")[1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(plan, name, None)


def test_bands_of_no_use_are_refused_before_more_is_tried(folder: Path) -> None:
    opened, _ = planned(folder, "patches")
    memory = MemoryBudget.of(None, opened.sources)
    seen = []

    def refuse(bands: int) -> None:
        seen.append(bands)
        raise ValueError("no use")

    settings = serve_settings(parse(TensorflowModelServe, {"source1.il": "no.tif", "model.dir": "no", "out": "no.tif"}))
    log = serving.Log()
    with pytest.raises(ValueError, match="no use"):
        plan_run(opened, opened.geometry.grid.box, OUTPUT, settings.tiling, memory, log, refuse)
    assert len(seen) == 1 and not log.infos
