"""The toolbox as a newcomer meets it: groups in the order of work, titles, and the paths that the pages name."""

from __future__ import annotations

import difflib
import itertools
import re
from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.gui import QgsProcessingToolboxProxyModel
from qgis.PyQt.QtCore import Qt

from otbtf_qgis.core.base.languages import language_of
from otbtf_qgis.provider import OtbtfProvider

TOP = Path(__file__).resolve().parents[2]
GROUPS = [
    "1 Start",
    "2 Sampling",
    "3 Patches",
    "4 Models",
    "5 Training",
    "6 Mapping",
    "7 Accuracy",
    "8 Engine",
    "9 OTB tools",
]


SEEN = 24
"""Characters of a title that the toolbox shows at its usual width."""


@pytest.fixture(scope="module")
def toolbox(plugin: object) -> dict[str, list[str]]:
    """What the toolbox shows below OTBTF, in its order: titles of algorithms by group."""
    model = QgsProcessingToolboxProxyModel(None, QgsApplication.processingRegistry())
    model.setFilters(QgsProcessingToolboxProxyModel.Filter.FilterToolbox)
    rows = [model.index(row, 0) for row in range(model.rowCount())]
    ours = next(index for index in rows if str(index.data(Qt.ItemDataRole.DisplayRole)).startswith("OTBTF"))
    groups = [model.index(row, 0, ours) for row in range(model.rowCount(ours))]
    return {
        group.data(): [model.index(row, 0, group).data() for row in range(model.rowCount(group))] for group in groups
    }


def test_groups_stand_in_the_order_of_work(toolbox: dict[str, list[str]]) -> None:
    assert list(toolbox) == GROUPS
    assert toolbox["1 Start"] == [
        "Create example data",
        "Make a land cover map",
        "Map a quantity",
        "Step by step: a land cover map (model)",
    ]


def test_titles_are_told_apart(toolbox: dict[str, list[str]]) -> None:
    titles = [title for group in toolbox.values() for title in group]
    assert len(set(titles)) == len(titles)
    for one, other in itertools.combinations(titles, 2):
        assert one[:SEEN] != other[:SEEN], "the toolbox shows both alike"
        assert difflib.SequenceMatcher(None, one, other).ratio() < 0.9


def test_ids_are_those_that_command_lines_and_models_name(provider: OtbtfProvider) -> None:
    known = {"start", "sampling", "patches", "models", "training", "inference", "accuracy", "engine", "images"}
    assert {algorithm.groupId() for algorithm in provider.algorithms()} == known


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in (TOP / "docs").glob("*.md"))])
def test_paths_on_pages_lead_to_an_algorithm(toolbox: dict[str, list[str]], page: str) -> None:
    text = " ".join((TOP / page).read_text(encoding="utf-8").split())
    if page.endswith(".fr.md"):
        french = language_of("fr").text
        toolbox = {french(group): [french(title) for title in titles] for group, titles in toolbox.items()}
    for group, title in re.findall(r"\*\*(?:OTBTF > )?(\d [^*>]+) > ([^*>]+)\*\*", text):
        assert title in toolbox.get(group, []), f"{page}: {group} > {title}"
    assert not re.search(r"\*\*(OTBTF > )?(Start|Sampling|Patches|Models|Training|Mapping|Inference|Engine) > ", text)
