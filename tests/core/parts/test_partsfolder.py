"""The plan that all runs of one output agree on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import serving

pytest.importorskip("tensorflow")

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.parts.partplan import PartPlan
from otbtf_qgis.core.parts.partsfolder import PartsFolder
from otbtf_qgis.core.registry import run


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> PartPlan:
    folder = tmp_path_factory.mktemp("plan")
    model = serving.pixelwise(folder / "same", lambda x: x, 1, "int16")
    image = serving.write(folder / "image.tif", np.ones((32, 32, 1), "int16"))
    run(
        "TensorflowModelServe",
        {"source1.il": [image], "model.dir": model, "out": str(folder / "map.vrt"), "part": "0/2"},
    )
    found = PartsFolder(str(folder / "map.vrt")).plan()
    assert found is not None
    return found


@pytest.fixture
def folder(tmp_path: Path) -> PartsFolder:
    found = PartsFolder(str(tmp_path / "map.vrt"))
    found.make()
    return found


def test_the_first_plan_counts(plan: PartPlan, folder: PartsFolder) -> None:
    assert folder.agree(plan, Progress()) == plan
    assert folder.agree(replace(plan, memory=9), Progress()) == plan


def test_what_follows_from_a_plan_is_found_once(plan: PartPlan) -> None:
    """Each part asks for both, of which there are thousands."""
    assert plan.parts is plan.parts and plan.digest is plan.digest
    assert replace(plan, memory=9).digest != plan.digest


def test_inputs_of_many_files(plan: PartPlan, folder: PartsFolder) -> None:
    """What tells thousands of images from others is a long text."""
    long = replace(plan, identity={**plan.identity, "sources[1].il": "x" * 300_000})
    assert folder.agree(long, Progress()) == long


def test_a_plan_that_could_not_be_read_is_not_left(plan: PartPlan, folder: PartsFolder) -> None:
    with pytest.raises(ParameterError, match="plan.json cannot be made: it has more than"):
        folder.agree(replace(plan, identity={"sources[1].il": "x" * (9 << 20)}), Progress())
    assert list(folder.path.iterdir()) == []
