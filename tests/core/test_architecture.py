"""The order of the parts: who may import whom, and what must not be imported at all."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import otbtf_qgis

TOP = Path(__file__).resolve().parents[2]

PACKAGES = {
    "otbtf_qgis.algorithms": TOP / "algorithms",
    "otbtf_qgis.core": TOP / "core",
    "otbtf_qgis.resources": TOP / "resources",
    "otbtf_qgis": TOP / "otbtf_qgis",
}

CORE = (
    {
        "addresses",
        "archives",
        "commandwords",
        "errors",
        "extendedfilenames",
        "inputs",
        "jsonvalues",
        "ownership",
        "preloading",
        "progress",
        "relativepaths",
        "vocabulary",
    },
    {"geometry"},
    {
        *("contents", "inputfiles", "interpreters", "memoryfiles", "programs", "rasters", "replacing", "signals"),
        *("staging", "temporaries", "textfiles", "vectors"),
    },
    {"bandmath", "layers", "models"},
    {"accuracy", "installation", "ops", "running"},
    # the operations, what they are made of, and the Python API
    {
        "classifiers",
        "commandline",
        "dataset",
        "exampledata",
        "landcover",
        "model",
        "operations",
        "otbApplication",
        "otbtools",
        "pyotb",
        "sampling",
        "serving",
        "templates",
        "tfrecords",
        "training",
        "tricks",
        "utils",
    },
    {"worker"},
)
"""Core from the bottom to the top; a module may import those of its own layer and of the layers below."""


def modules() -> dict[str, Path]:
    """All modules by dotted name, as Python sees them once the plugin is installed."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports(name: str, source: str, is_package: bool) -> Iterator[str]:
    """Yield what a module imports, anywhere in it, as absolute dotted names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".")
                parent = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parent, base] if base else parent)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in MODULES else base


def height(name: str) -> int | None:
    """How high a module stands; None for what is not ours or belongs to no layer."""
    parts = name.split(".")
    if parts[0] != "otbtf_qgis" or parts[1:2] == ["resources"]:
        return None
    if parts[1:2] == ["core"]:
        layers = [number for number, layer in enumerate(CORE) if len(parts) > 2 and parts[2] in layer]
        return layers[0] if layers else None
    return len(CORE) if parts[1:2] == ["algorithms"] else len(CORE) + 1


def faults(name: str, source: str, is_package: bool = False) -> list[str]:
    """What is wrong with a module's imports."""
    own = height(name)
    in_core = name.split(".")[1:2] == ["core"]
    found = []
    for imported in imports(name, source, is_package):
        root = imported.split(".")[0]
        other = height(imported)
        if own is not None and other is not None and other > own:
            found.append(f"{name} imports {imported}, which stands above it")
        if in_core and root in ("qgis", "PyQt5", "PyQt6"):
            found.append(f"{name} imports {imported}: core knows no QGIS")
        if not in_core and root in ("tensorflow", "keras", "h5py"):
            found.append(f"{name} imports {imported}: TensorFlow inside QGIS kills it")
        if not in_core and root in ("PyQt5", "PyQt6"):
            found.append(f"{name} imports {imported}: only qgis.PyQt fits every QGIS")
        if name.startswith("otbtf_qgis.core.geometry") and root in ("numpy", "osgeo", "os", "pathlib"):
            found.append(f"{name} imports {imported}: geometry is pure")
    return found


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_downwards(name: str) -> None:
    path = MODULES[name]
    assert faults(name, path.read_text(encoding="utf-8"), path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("otbtf_qgis.core.geometry.grid", "from ..rasters import opening"),
        ("otbtf_qgis.core.geometry.grid", "import numpy as np"),
        ("otbtf_qgis.core.rasters.x", "def f():\n    from otbtf_qgis.core.models import model"),
        ("otbtf_qgis.core.operations.x", "from ..worker import main"),
        ("otbtf_qgis.core.operations.x", "from ...algorithms import x"),
        ("otbtf_qgis.core.parameters.vocabulary", "from qgis.core import QgsProject"),
        ("otbtf_qgis.algorithms.x", "from ..provider import Provider"),
        ("otbtf_qgis.algorithms.x", "import tensorflow.keras as k"),
        ("otbtf_qgis.gui.x", "from h5py import File"),
        ("otbtf_qgis.gui.x", "from PyQt5.QtCore import Qt"),
    ],
)
def test_a_wrong_import_is_found(name: str, source: str) -> None:
    assert len(faults(name, source)) == 1


def test_a_right_import_passes() -> None:
    source = "import numpy\nfrom ..errors import OtbtfError\nfrom . import serving\nfrom ..rasters.opening import x"
    assert faults("otbtf_qgis.core.operations.x", source) == []


def test_every_part_of_core_has_its_layer() -> None:
    parts = {name.split(".")[2] for name in MODULES if name.startswith("otbtf_qgis.core.")}
    assert parts - set().union(*CORE) == set(), "add it to CORE above, at its height"
    assert set().union(*CORE) - parts == set(), "CORE names what is gone"


def test_pip_packages_every_folder() -> None:
    project = (TOP / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^packages = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert listed is not None
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert set(re.findall(r'"([\w.]+)"', listed[1])) == packages


def imported_by(statement: str) -> set[str]:
    """The top names of all modules that a new interpreter has imported after `statement`."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    # Not in the repository, whose folder otbtf_qgis is only a part of the package of that name.
    tree = Path(otbtf_qgis.__path__[0]).parent
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}


OPERATIONS = sorted(name for name in MODULES if name.startswith("otbtf_qgis.core.operations"))


@pytest.mark.parametrize(
    "statement",
    ["import otbtf_qgis", "import otbtf_qgis.core", *(f"import {name}" for name in OPERATIONS)],
)
def test_importing_needs_neither_tensorflow_nor_qgis(statement: str) -> None:
    assert imported_by(statement) & {"tensorflow", "keras", "h5py", "qgis", "PyQt5", "PyQt6"} == set()


def test_what_is_imported_is_seen() -> None:
    assert "h5py" in imported_by("import h5py")
