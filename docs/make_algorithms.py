"""The pages of docs/algorithms, from the operations' declarations and the graphical models; see make_api.py."""

from __future__ import annotations

import ast
import dataclasses
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from docstring_markdown import MADE, joined, sections

TOP = Path(__file__).resolve().parents[1]
FOLDER = "algorithms"

ABOUT = (
    "Each algorithm has the same parameters in QGIS's dialogs, in graphical models, for `qgis_process` and in Python. "
    "The pages give a parameter's label in the dialog, its name in QGIS (`SOURCE1_IL`) and its key in Python and on "
    "OTBTF's command lines (`source1.il`). `SOURCEN` stands for `SOURCE1`, `SOURCE2`, ... Dialogs show advanced parameters "
    "only on request."
)
MODEL_TITLES = {"landcovermodel": "Step by step: a land cover map (model)"}
"""As the toolbox shows them; tests/qgis/test_provider.py compares them."""
HIDDEN = "Only for command lines, scripts and models: the toolbox does not show it, because QGIS has its own tools."
GUIDES = {
    "sampling": (
        *("labelimagesampleselection", "sampleselection", "polygonclassstatistics", "densepolygonclassstatistics"),
        *("patchesselection", "patchesextraction", "sampleextraction", "sampleaugmentation"),
        "patchesmosaic",
    ),
    "templates": ("createmodel",),
    "describing-models": ("describemodel", "exportsavedmodel"),
    "training": ("findlearningrate", "searchsettings", "trainmodel", "tensorflowmodeltrain"),
    "further-training": ("trainmodel", "tensorflowmodeltrain"),
    "land-cover-map": ("landcovermap", "landcovermodel", "createexampledata"),
    "regression": ("regressionmap",),
    "serving": ("tensorflowmodelserve",),
    "accuracy": ("computeconfusionmatrix", "tensorboard"),
    "polygons": ("maptopolygons", "objectlabels"),
    "objects": ("detectobjects", "assessdetections"),
    "classifiers": (
        *("trainclassifierfromdeepfeatures", "imageclassifierfromdeepfeatures"),
        *("computeimagesstatistics", "trainvectorclassifier", "imageclassifier"),
    ),
    "command-lines": ("runcommandline",),
    "tables": ("runtable",),
    "from-otbtf": ("bandmath", "bandmathx"),
    "engine": ("installengine", "enginereport"),
}
"""Pages of docs that say how the algorithms are used."""
ORDER = (
    *("createexampledata", "landcovermap", "regressionmap", "landcovermodel"),
    *("polygonclassstatistics", "densepolygonclassstatistics", "sampleselection", "labelimagesampleselection"),
    *(
        "sampleextraction",
        "sampleaugmentation",
        "objectlabels",
        "patchesselection",
        "patchesextraction",
        "patchesmosaic",
    ),
    *("createmodel", "describemodel", "exportsavedmodel"),
    *("findlearningrate", "searchsettings", "trainmodel", "tensorflowmodeltrain", "tensorboard"),
    *("trainclassifierfromdeepfeatures", "trainvectorclassifier"),
    *("tensorflowmodelserve", "imageclassifierfromdeepfeatures", "imageclassifier"),
    *("computeconfusionmatrix", "installengine", "enginereport", "runcommandline"),
)
"""The order of work in the index, within each group; others follow, by title."""


@dataclasses.dataclass(frozen=True)
class Page:
    """An algorithm's page.

    Attributes:
        name: its id without the provider's, which is the file's name too.
        summary: the first paragraph of its description.
    """

    name: str
    title: str
    group: str
    summary: str
    text: str


def pages(package: Any) -> dict[str, str]:
    """Return the text of each page by its path below docs; `package` is the plugin's, as griffe reads it."""
    from otbtf_qgis.core import registry

    titles = group_titles()
    found = [_operation_page(package, registry.declaration(name), titles) for name in registry.names()]
    found += [_model_page(path, titles) for path in sorted((TOP / "resources" / "models").glob("*.model3"))]
    return {f"{FOLDER}/index.md": _index(found, titles), **{f"{FOLDER}/{page.name}.md": page.text for page in found}}


def group_titles() -> dict[str, str]:
    """Return the titles of the toolbox's groups by id. They are read in the source, which needs QGIS to run."""
    source = ast.parse((TOP / "algorithms" / "base.py").read_text(encoding="utf-8"))
    function = next(node for node in source.body if isinstance(node, ast.FunctionDef) and node.name == "groups")
    titles = next(node for node in ast.walk(function) if isinstance(node, ast.Dict))
    pairs = zip(titles.keys, titles.values)
    return {ast.literal_eval(key): ast.literal_eval(value.args[0]) for key, value in pairs}  # type: ignore[attr-defined]


def _index(found: list[Page], titles: dict[str, str]) -> str:
    lines = ["# Algorithms", "", MADE, "", ABOUT, ""]
    for group, title in titles.items():
        several = sorted((page for page in found if page.group == group), key=_place_in_index)
        if several:
            lines += [f"## {title}", ""]
            lines += [f"- [{page.title}]({page.name}.md) (`otbtf:{page.name}`): {page.summary}" for page in several]
            lines += ["", "```{toctree}", ":hidden:", "", *(page.name for page in several), "```", ""]
    return joined(lines)


def _place_in_index(page: Page) -> tuple[int, str]:
    return ORDER.index(page.name) if page.name in ORDER else len(ORDER), page.title


# ---------------------------------------------------------------- operations


def _operation_page(package: Any, operation: Any, titles: dict[str, str]) -> Page:
    from otbtf_qgis.core.parameters.sections import in_sections

    name = operation.__name__.lower()
    lines = [f"# {operation.TITLE}", "", MADE, ""]
    lines += _place(name, titles[operation.GROUP], operation.HIDDEN)
    lines += [operation.DESCRIPTION, ""]
    lines += [_where(operation), ""]
    for title, several in in_sections(_keys(operation)).items():
        lines += _table(title, [_row(key) for key in several])
    lines += _results(operation.RESULTS)
    lines += ["## Python", "", f'`core.run("{operation.__name__}", values)`: see [running](../api/running.md).', ""]
    lines += sections(package[f"core.{operation.RUN.replace(':', '.')}"], summary=False)
    return Page(name, operation.TITLE, operation.GROUP, _summary(operation.DESCRIPTION), joined(lines))


def _where(operation: Any) -> str:
    if operation.NEEDS_ENGINE:
        return "It runs in the engine, with TensorFlow."
    return (
        f"It needs no engine, except with {operation.ENGINE_WITH.upper()}."
        if operation.ENGINE_WITH
        else "It needs no engine."
    )


def _place(name: str, group: str, hidden: bool) -> list[str]:
    """Return an algorithm's id, its group in the toolbox, and the page about its use."""
    place = HIDDEN if hidden else f"In the toolbox: **OTBTF > {group}**."
    guides = [_link(page) for page, several in GUIDES.items() if name in several]
    return [" ".join([f"`otbtf:{name}`.", place, *([f"Its use: {', '.join(guides)}."] if guides else [])]), ""]


def _link(page: str) -> str:
    title = (TOP / "docs" / f"{page}.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    return f"[{title}](../{page}.md)"


def _summary(description: str) -> str:
    return " ".join(description.split("\n\n")[0].split())


def _row(key: Any) -> tuple[str, Iterable[str], str, str, str]:
    label = f"{key.label} (advanced)" if key.advanced else key.label
    return label, (key.parameter, key.name), key.kind.takes(key, "`"), _given(key), key.help


def _table(title: str, rows: list[tuple[str, Iterable[str], str, str, str]]) -> list[str]:
    if not rows:
        return []
    lines = [f"## {title}", "", "| Parameter | Takes | Default | |", "| --- | --- | --- | --- |"]
    for label, names, takes, default, text in rows:
        cells = ["<br>".join([f"**{label}**", *(f"`{name}`" for name in names)]), takes, default, text]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return [*lines, ""]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _keys(operation: type) -> Iterator[Any]:
    """Yield all keys; those of numbered sources once, with N for the number."""
    for field in dataclasses.fields(operation):
        if "key" in field.metadata:
            yield field.metadata["key"]
        elif "numbered" in field.metadata:
            several = field.metadata["numbered"]
            for key in _keys(several.item):
                yield dataclasses.replace(key, name=f"{several.prefix}N.{key.name}")


def _given(key: Any) -> str:
    if key.required:
        return "required"
    if key.default in (None, "", ()):
        return ""
    return f"`{str(key.default).lower() if isinstance(key.default, bool) else key.default}`"


def _results(results: Iterable[Any]) -> list[str]:
    """Return the values that a run returns to models and scripts."""
    from otbtf_qgis.core.parameters.kinds import parameter_name

    rows = [f"| `{parameter_name(each.name)}`<br>`{each.name}` | {_cell(each.label)} |" for each in results]
    return ["## Results for models and scripts", "", "| Result | |", "| --- | --- |", *rows, ""] if rows else []


# ---------------------------------------------------------- graphical models


def _model_page(path: Path, titles: dict[str, str]) -> Page:
    model = _value(ElementTree.parse(path).getroot())
    name, description = model["model_name"], model["help"]["ALG_DESC"]
    title = MODEL_TITLES[name]
    definitions = model["parameterDefinitions"]
    rows = [_model_row(each) for each in definitions.values()]
    lines = [f"# {title}", "", MADE, "", *_place(name, titles[model["model_group"]], False), description, ""]
    lines += ["A graphical model of: " + ", ".join(f"`{each['alg_id']}`" for each in _steps(model)) + ".", ""]
    lines += _table("Parameters", [row for row, each in zip(rows, definitions.values()) if not _is_output(each)])
    lines += _table("Outputs", [row for row, each in zip(rows, definitions.values()) if _is_output(each)])
    return Page(name, title, model["model_group"], _summary(description), joined(lines))


def _value(option: ElementTree.Element) -> Any:
    """Return what one of QGIS's XML options holds: a dictionary, a list or a text."""
    if option.get("type") == "Map":
        return {str(each.get("name")): _value(each) for each in option}
    if option.get("type") in ("List", "StringList"):
        return [_value(each) for each in option]
    return option.get("value")


def _steps(model: Any) -> list[Any]:
    """Return the model's algorithms from left to right."""
    return sorted(model["children"].values(), key=lambda each: float(each["component_pos_x"]))


def _is_output(definition: Any) -> bool:
    return str(definition["parameter_type"]).endswith("Destination")


def _model_row(definition: Any) -> tuple[str, Iterable[str], str, str, str]:
    takes = str(definition["parameter_type"]).replace("Destination", " output").replace("multilayer", "rasters")
    default = f"`{definition['default']}`" if definition["default"] else ""
    return definition["description"], (definition["name"],), takes, default, definition["help"] or ""
