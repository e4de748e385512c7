"""Write docs/api from the docstrings, a page for each public module, and docs/algorithms from the declarations.

    make docs

The code is read, not run, but for the operations: their keys are known once they are imported (that needs GDAL, no
TensorFlow). tests/core/whole/test_api_reference.py compares the pages with what this writes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import griffe
import make_algorithms
from docstring_markdown import MADE, joined, list_item, sections

HERE = Path(__file__).resolve().parent
PACKAGE = "otbtf_qgis"
FOLDERS = ("api", "algorithms")
"""Below docs, with nothing in them but the pages made here."""

PAGES: dict[str, tuple[str, ...]] = {
    "running": (
        "core.registry.running.run",
        "core.rasters.inmemory.ArrayRaster",
        "core.parameters.rastersource.RasterSource",
        "core.parameters.vectorsource.VectorSource",
        "core.base.progress.Progress",
        "core.errors",
    ),
    "dataset": ("core.patches.datasets",),
    "tfrecords": ("core.patches.recordsets",),
    "model": ("core.training.modelbase",),
    "training": ("core.training.train", "core.training.fitting", "core.training.strategies"),
    "layers": ("core.models.keraslayers",),
    "ops": ("core.models.kerasops",),
    "utils": ("core.patches.patchesarrays",),
    "tricks": ("core.training.graphmodels",),
    "otbApplication": ("core.entry.otbmodule",),
    "pyotb": ("core.entry.pyotbapps",),
}
"""Pages by name: the modules, of which all public names are shown, and single names, that make them."""

TITLES = {
    "running": "Running operations",
    "training": "core.training",
}

KERAS = ("call", "get_config")
"""Methods of layers that Keras calls; the class says what they do."""

DOCSTRINGS = {"returns_multiple_items": False, "returns_named_value": False}
"""How the parser reads Returns: one text, whose words before a colon are no name."""


def pages() -> dict[str, str]:
    """Return the text of each page by its path below docs."""
    logging.getLogger("griffe").setLevel(logging.ERROR)  # it would ask for each argument in its own line
    tree = Path(sys.modules[PACKAGE].__path__[0]).parent if PACKAGE in sys.modules else HERE.parent / "build" / "tree"
    package = griffe.load(
        PACKAGE,
        search_paths=[str(tree)],
        try_relative_path=False,  # the folder otbtf_qgis of the repository is only a part of the package
        docstring_parser="google",
        docstring_options=DOCSTRINGS,
    )
    found = {f"api/{name}.md": _page(package, name, paths) for name, paths in PAGES.items()}
    return {"api/index.md": _index(package), **found, **make_algorithms.pages(package)}


# ------------------------------------------------------------------- modules


def _page(package: Any, name: str, paths: Iterable[str]) -> str:
    objects = [_target(package[path]) for path in paths]
    lines = [f"# {TITLES.get(name, f'core.{name}')}", "", MADE, ""]
    for item in objects:
        if item.is_module:
            alone = len(objects) == 1
            lines += [
                *([] if alone else [f"## {item.path.partition('.')[2]}", ""]),
                *_text(item),
                "",
                *_types(item),
                "",
            ]
            for member in _public(item):
                lines += _described(member, 2 if alone else 3)
        else:
            lines += _described(item)
    return joined(lines)


def _public(module: Any) -> list[Any]:
    """Return a module's classes and functions that others may use: `__all__`, else those defined in it."""
    if module.exports:
        named = [module.members[str(name)] for name in module.exports]
        ours = [_target(one) for one in named if _is_ours(one)]
        return [member for member in ours if member.is_class or member.is_function]
    return [
        member
        for name, member in module.members.items()
        if not name.startswith("_") and not member.is_alias and (member.is_class or member.is_function)
    ]


def _types(module: Any) -> list[str]:
    """Return the constants, and the names for types, that a module tells of."""
    ours = {name: member for name, member in module.members.items() if not name.startswith("_") and _is_ours(member)}
    members = {name: _target(member) for name, member in ours.items()}
    told = {name: member for name, member in members.items() if member.is_attribute and member.docstring}
    return [list_item(f"`{name} = {member.value}`", member.docstring.value) for name, member in told.items()]


def _is_ours(item: Any) -> bool:
    """Return whether a name leads to our code, if need be by way of several of our modules."""
    try:
        return bool(_target(item).path.startswith(f"{PACKAGE}."))
    except griffe.AliasResolutionError:
        return False


def _target(item: Any) -> Any:
    return item.final_target if item.is_alias else item


def _described(item: Any, level: int = 2, owner: str = "") -> list[str]:
    """Return a class or function: its signature, and its docstring section by section."""
    mark = "#" * level
    if item.is_function:
        return [f"{mark} {owner}{item.name}", "", *_signature(item, owner), *sections(item), ""]
    lines = [f"{mark} {item.name}", ""]
    made = item.members.get("__init__")
    bases = [str(base) for base in item.bases if not str(base).startswith("_") and str(base) != "abc.ABC"]
    if made is not None and made.is_function:
        lines += _signature(made, "", item.name)
    elif "dataclass" in item.labels:
        fields = [f"{field.name}: {field.annotation}" + _default(field.value) for field in _fields(item)]
        lines += _code(f"{item.name}({', '.join(fields)})")
    if bases:
        lines += [f"Derived from {', '.join(f'`{base}`' for base in bases)}.", ""]
    lines += sections(item)
    if made is not None and made.is_function and made.docstring:
        lines += sections(made)
    properties = [member for member in item.members.values() if "property" in member.labels and member.docstring]
    told = [list_item(f"`{member.name}`", member.docstring.value) for member in properties if member.name[0] != "_"]
    lines += ["**Properties**", "", *told, ""] if told else []
    for name, member in item.members.items():
        if member.is_function and not name.startswith("_") and name not in KERAS and member.docstring:
            lines += _described(member, level + 1, f"{item.name}.")
    return lines


def _fields(item: Any) -> Iterator[Any]:
    for member in item.members.values():
        if member.is_attribute and member.annotation is not None and "ClassVar" not in str(member.annotation):
            yield member


def _signature(function: Any, owner: str, name: str = "") -> list[str]:
    stars = {"variadic positional": "*", "variadic keyword": "**"}
    parts, keyword_only = [], False
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        kind = parameter.kind.value
        if kind == "keyword-only" and not keyword_only:
            parts.append("*")
        keyword_only = keyword_only or kind in ("keyword-only", "variadic positional")
        annotation = f": {parameter.annotation}" if parameter.annotation is not None else ""
        default = "" if kind in stars else _default(parameter.default)
        parts.append(f"{stars.get(kind, '')}{parameter.name}{annotation}{default}")
    returns = "" if name or str(function.returns) in ("None", "") else f" -> {function.returns}"
    return _code(f"{owner}{name or function.name}({', '.join(parts)}){returns}", parts)


def _default(value: Any) -> str:
    return "" if value is None else f" = {value}"


def _code(line: str, parts: Iterable[str] = ()) -> list[str]:
    """Return a signature as code, an argument per line where it is long."""
    parts = list(parts)
    if len(line) > 100 and parts:
        head, _, tail = line.partition("(")
        line = "\n".join([f"{head}(", *(f"    {part}," for part in parts), ")" + tail[len(", ".join(parts)) + 1 :]])
    return ["```python", line, "```", ""]


def _text(item: Any) -> list[str]:
    return [item.docstring.value.strip()] if item.docstring else []


def _index(package: Any) -> str:
    lines = ["# The Python API", "", MADE, "", "See [Using it from Python](../python.md) for an introduction.", ""]
    for name, paths in PAGES.items():
        names = [f"`{item.name}`" for path in paths for item in _named(package, path)]
        lines.append(f"- [{TITLES.get(name, f'core.{name}')}]({name}.md): {', '.join(names)}")
    lines.append("- [Operations](../algorithms/index.md): a page with all keys for each")
    lines += ["", "```{toctree}", ":hidden:", "", *PAGES, "```"]
    return joined(lines)


def _named(package: Any, path: str) -> list[Any]:
    item = _target(package[path])
    return _public(item) if item.is_module else [item]


def main() -> None:
    """Write the pages, and remove those that are no longer made."""
    made = pages()
    for folder in FOLDERS:
        (HERE / folder).mkdir(exist_ok=True)
        for old in (HERE / folder).glob("*.md"):
            if f"{folder}/{old.name}" not in made:
                old.unlink()
    for name, text in made.items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
