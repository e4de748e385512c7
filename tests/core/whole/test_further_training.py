"""The commands of docs/further-training.md, run in one process: the figures of the page hold, and each step helps."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from otbtf_qgis.core import registry
from otbtf_qgis.core.models.sidecar import read_sidecar
from otbtf_qgis.core.parameters.parsing import keys

pytest.importorskip("tensorflow")

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "further-training.md").read_text(encoding="utf-8")

NAMES = {name.lower(): name for name in registry.names()}

SCORED = ("TensorflowModelTrain", "ComputeConfusionMatrix")


def commands() -> list[list[str]]:
    """The words of each of the page's commands."""
    lines = [line[4:] for line in PAGE.splitlines() if line.startswith("    ")]
    return [shlex.split(line) for line in "\n".join(lines).replace("\\\n", " ").splitlines()]


def run(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Run `qgis_process run otbtf:name -- KEY=VALUE ...`; return the operation's name and its results."""
    assert words[:2] == ["qgis_process", "run"] and words[3] == "--"
    name = NAMES[words[2].partition(":")[2]]
    known = {key.parameter: key.name for key in keys(registry.declaration(name))}
    given = (word.partition("=") for word in words[4:])
    return name, registry.run(name, {known[key]: value for key, _, value in given})


@pytest.fixture(scope="module")
def kappas(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The scores in the order of the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("reader"))
        found = [run(words) for words in commands()]
        classes = [(c.value, c.name) for c in read_sidecar("six").classes["classes"]]  # type: ignore[union-attr]
        assert [value for value, _ in classes] == list(range(6))
        assert not any(name.isdecimal() for _, name in classes)
    return [results["kappa"] for name, results in found if name in SCORED]


def test_each_step_helps(kappas: list[float]) -> None:
    first, longer, there, new, adapted, six = kappas
    assert longer > first
    assert adapted > there + 0.05 and adapted > new + 0.02
    assert six > adapted - 0.05


def test_the_page_has_the_figures(kappas: list[float]) -> None:
    """Another TensorFlow, or another processor, trains a little differently."""
    told = [float(figure) for figure in re.findall(r"\b0\.\d\d\b", PAGE.replace("0.85", ""))]
    assert told == pytest.approx(kappas, abs=0.08)
