"""The order of the parts: who may import whom, and what must not be imported at all."""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import translations
from rooms import ROOMS

import otbtf_qgis
from otbtf_qgis.core import registry
from otbtf_qgis.core.parameters.parsing import keys

TOP = Path(__file__).resolve().parents[3]

PACKAGES = {
    "otbtf_qgis.algorithms": TOP / "algorithms",
    "otbtf_qgis.core": TOP / "core",
    "otbtf_qgis.resources": TOP / "resources",
    "otbtf_qgis": TOP / "otbtf_qgis",
}

KNOW_AN_OPERATION = {
    "probing.describerun",
    "probing.exportrun",
    "serving.serve",
    "serving.serveparts",
    "serving.modelidentity",
    "serving.defaultsapplied",
    "serving.parameterresolution",
}
"""Modules of the rooms that apply a model which take an operation's parameters. They hand down settings, each part to what
needs it: below them nobody knows an operation, nor its keys."""

SERVED_MODEL = "otbtf_qgis.core.parameters.servedmodel"
"""The parameters that all operations have which apply a model to rasters."""

PUBLIC = {
    "dataset",
    "tfrecords",
    "model",
    "layers",
    "ops",
    "utils",
    "tricks",
    "otbApplication",
    "pyotb",
    "installation",
}
"""Modules of core beside the rooms: names of OTBTF's API, and what is started by name. They only hand names on."""

OPEN = {"", "worker"}
"""The package itself, which hands out every name, and the engine's process: they may import every room."""

IN_QGIS = {
    *(
        "phrases",
        "errors",
        "base",
        "geometry",
        "bandmath",
        "records",
        "parameters",
        "operations",
        "machine",
        "files",
        "rasters",
    ),
    *(
        "vectors",
        "registry",
        "engine",
        "exampledata",
        "classes",
        "polygons",
        "samples",
        "patches",
        "imagetools",
        "tablefiles",
    ),
    *("accuracy.matrixfile", "accuracy.olofsson", "accuracy.scores", "accuracy.quantitynames"),
    *("workflows.commandline", "workflows.commandrun", "tables.givenonce", "search.space"),
    *(
        "models.identity",
        "models.appliedmodel",
        "models.detectorsummary",
        "models.modelfiles",
        "models.modelinterface",
        "models.modelsummary",
        "models.sidecar",
    ),
    "probing.imagefit",
}
"""What QGIS's own process may import of core: the declarations, and bodies that need only GDAL and NumPy."""


def modules() -> dict[str, Path]:
    """All modules by dotted name, as Python sees them once the plugin is installed."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def below(room: str) -> set[str]:
    """The rooms that one may import."""
    named = set(ROOMS[room].split())
    return named.union(*map(below, named))


def room_of(name: str) -> str | None:
    """The room of a module of core, "" for core itself; None for what is not of core."""
    parts = name.split(".")
    return (parts[2] if len(parts) > 2 else "") if parts[:2] == ["otbtf_qgis", "core"] else None


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


def goes_up(name: str, imported: str) -> bool:
    """Whether an import leads to a part that stands above."""
    parts = ("core", "algorithms")
    own, other = (dotted.split(".")[1] if dotted.count(".") else "" for dotted in (name, imported))
    if imported.split(".")[0] != "otbtf_qgis" or other == "resources" or own == "resources":
        return False
    if own not in parts:  # the plugin may import all
        return False
    if own == "algorithms":
        return other not in parts
    source, target = room_of(name), room_of(imported)
    if source is None or source in OPEN or source in PUBLIC:
        return other != "core"
    if not target or target in PUBLIC:  # the package hands out names of all rooms
        return True
    return target != source and target not in below(source)


def faults(name: str, source: str, is_package: bool = False) -> list[str]:
    """What is wrong with a module's imports."""
    in_core = name.split(".")[1:2] == ["core"]
    found = []
    for imported in imports(name, source, is_package):
        root = imported.split(".")[0]
        if goes_up(name, imported):
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
        ("otbtf_qgis.core.geometry.grid", "from ..rasters import rasteropening"),
        ("otbtf_qgis.core.geometry.grid", "import numpy as np"),
        ("otbtf_qgis.core.rasters.x", "def f():\n    from otbtf_qgis.core.models import sidecar"),
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
    source = "import numpy\nfrom ..errors import OtbtfError\nfrom . import job\nfrom ..rasters.rasteropening import x"
    assert faults("otbtf_qgis.core.serving.x", source) == []


def test_every_room_of_core_has_its_line() -> None:
    parts = {str(room_of(name)) for name in MODULES if room_of(name) is not None}
    assert parts == {*ROOMS, *PUBLIC, *OPEN}


def test_rooms_are_in_order() -> None:
    order = list(ROOMS)
    for number, room in enumerate(order):
        assert set(ROOMS[room].split()) <= set(order[:number]), room


def test_parameters_are_resolved_at_the_top() -> None:
    found = set()
    for name, path in MODULES.items():
        if room_of(name) in ("probing", "serving"):
            imported = imports(name, path.read_text(encoding="utf-8"), path.name == "__init__.py")
            if any(room_of(each) == "operations" or each == SERVED_MODEL for each in imported):
                found.add(name.removeprefix("otbtf_qgis.core."))
    assert found == KNOW_AN_OPERATION


def test_names_that_are_handed_on_are_all_there_is() -> None:
    """OTBTF's modules hold no code of their own."""
    for name in PUBLIC:
        body = ast.parse(MODULES[f"otbtf_qgis.core.{name}"].read_text(encoding="utf-8")).body
        kinds = {type(node) for node in body}
        assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.If}, name


def test_a_file_is_known_by_its_name() -> None:
    """No two rooms have a file of the same name."""
    files = [name.split(".")[-1] for name, path in MODULES.items() if room_of(name) and path.name != "__init__.py"]
    assert sorted({name for name in files if files.count(name) > 1}) == []


def test_qgis_imports_only_what_needs_no_tensorflow() -> None:
    for name, path in MODULES.items():
        if room_of(name) is not None:
            continue
        for imported in imports(name, path.read_text(encoding="utf-8"), path.name == "__init__.py"):
            room = room_of(imported)
            if room:
                place = ".".join(imported.split(".")[2:4])
                assert room in IN_QGIS or place in IN_QGIS or room == "worker", f"{name} imports {imported}"


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


@pytest.mark.parametrize("place", sorted(place for place in IN_QGIS if "." in place))
def test_single_modules_that_qgis_imports_need_no_tensorflow(place: str) -> None:
    statement = f"import otbtf_qgis.core.{place}"
    assert imported_by(statement) & {"tensorflow", "keras", "h5py", "qgis", "PyQt5", "PyQt6"} == set()


def test_what_is_imported_is_seen() -> None:
    assert "h5py" in imported_by("import h5py")


@pytest.mark.parametrize("name", registry.names())
def test_what_an_operation_names_is_there(name: str) -> None:
    """The texts RUN and CHECK lead to functions that take the operation's parameters."""
    operation = registry.declaration(name)
    run, check = (operation.RUN, [("progress", "Progress")], "dict[str, Any]"), (operation.CHECK, [], "None")
    for place, more, returned in (run, check):
        if place:
            function = function_in(place)
            needed = function.args.args[: len(function.args.args) - len(function.args.defaults)]
            taken = [(each.arg, ast.unparse(each.annotation)) for each in needed if each.annotation]
            assert taken == [("parameters", name), *more], place
            assert function.returns is not None and ast.unparse(function.returns) == returned, place


def function_in(place: str) -> ast.FunctionDef:
    """The function that a text names, as it is written; nothing is imported."""
    module, _, name = place.partition(":")
    tree = ast.parse(MODULES[f"otbtf_qgis.core.{module}"].read_text(encoding="utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


@pytest.mark.parametrize("name", [name for name in registry.names() if not registry.declaration(name).NEEDS_ENGINE])
def test_operations_without_the_engine_need_no_tensorflow(name: str) -> None:
    place = registry.declaration(name).RUN
    assert room_of(f"otbtf_qgis.core.{place}") in IN_QGIS or place.partition(":")[0] in IN_QGIS
    statement = f"from otbtf_qgis.core import registry; registry.function_at({place!r})"
    assert imported_by(statement) & {"tensorflow", "keras", "h5py", "qgis", "PyQt5", "PyQt6"} == set()


@pytest.mark.parametrize("name", [name for name in registry.names() if registry.declaration(name).CHECK])
def test_checks_need_no_tensorflow(name: str) -> None:
    statement = f"from otbtf_qgis.core import registry; registry.function_at({registry.declaration(name).CHECK!r})"
    assert imported_by(statement) & {"tensorflow", "keras", "h5py", "qgis"} == set()


def test_only_two_files_tell_kinds_of_keys_apart() -> None:
    """The others ask a kind what it is: an output, a list, what its paths lead to."""
    # The last one declares two parameters that only QGIS has.
    places = ("core.parameters.kinds", "core.parameters.vocabulary", "algorithms.definitions", "algorithms.weblayers")
    for name, path in MODULES.items():
        if name.partition(".")[2] not in places:
            assert not re.search(r"\bkinds\.[A-Z]{2}", path.read_text(encoding="utf-8")), name


COMPOSED = {"core/parameters/parsing.py"}
"""Makes labels of numbered keys: templates that differ by the source's name, extracted from the declarations."""


def f_strings_in_messages(place: str, tree: ast.Module, errors: set[str]) -> Iterator[str]:
    """Errors, lines of the log and phrases that are f-strings; errors of Python's own are for programmers."""
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.JoinedStr):
            name = translations.called(call)
            ours = call in raised and not hasattr(builtins, name)
            if ours or name in errors | {"Phrase", "tr"} or translations.is_line(call):
                yield f"{place}:{call.lineno}"


def test_messages_are_literals_or_templates() -> None:
    """Nobody could translate an f-string: write `ModelError("{path} is empty.", path=path)`."""
    every = list(translations.trees())
    errors = translations.errors_of(tree for _, tree in every)
    assert {"ModelError", "RasterError"} <= errors
    for place, tree in every:
        assert place in COMPOSED or not list(f_strings_in_messages(place, tree, errors))


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        ('raise ModelError(f"{a}")', True),
        ('wrong = ModelError(f"{a}")', True),
        ('raise error(f"{a}")', True),
        ('progress.info(f"{a}")', True),
        ('self._progress.warning(Phrase(f"{a}"))', True),
        ('raise ValueError(f"{a}")', False),
        ('_log.info(f"{a}")', False),
        ('raise ModelError("{a}", a=f"{a:.2f}")', False),
    ],
)
def test_f_strings_in_messages_are_seen(source: str, refused: bool) -> None:
    assert bool(list(f_strings_in_messages("a.py", ast.parse(source), {"ModelError"}))) == refused


KEYLESS = set(ROOMS) - {"phrases", "errors", "parameters", "operations", "registry"}
"""Rooms whose messages name fields (`core.errors.field`), never parameters: all that the declarations call."""

NOT_PARAMETERS = {
    "BANDS": "a header's word",
    "FIELD": "SQL",
    "FORMAT": "SQL",
    "GEOMETRY": "an option of OGR's CSV driver",
    "GPU": "the device, and TensorFlow's name of its kind",
    "IN": "SQL",
    "MODE": "a resampling method of GDAL",
    "NODATA": "an element of a VRT",
    "TABLE": "SQL",
}
"""Words in capitals that are also names of parameters, and what they are in our literals."""


def parameter_names() -> set[str]:
    """The parameters of all operations; `#` stands for the number of a source."""
    operations = map(registry.declaration, registry.names())
    return {re.sub(r"\d+", "#", key.parameter) for operation in operations for key in keys(operation)}


PARAMETERS = parameter_names() - set(NOT_PARAMETERS)


def literals(source: str) -> Iterator[str]:
    """Yield the texts of a module that are no docstrings, with `*` for what an f-string inserts."""
    tree = ast.parse(source)
    left_out = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "*" for part in node.values]
            left_out.update(id(part) for part in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.value


def parameters_in(source: str) -> list[str]:
    """The words of a module's literals that name a parameter."""
    words = {word for text in literals(source) for word in re.findall(r"(?<![\w*])[A-Z][A-Z0-9_*]+(?![\w*])", text)}
    return sorted(
        word for word in words if _fixed(word) and any(fnmatchcase(name, _pattern(word)) for name in PARAMETERS)
    )


def _fixed(word: str) -> bool:
    """Whether what a word has beside insertions is more than an initial, which would fit many parameters."""
    return "*" not in word or len(word.replace("*", "")) > 2


def _pattern(word: str) -> str:
    return re.sub(r"\d+", "#", word).replace("#*", "#").replace("SOURCE*", "SOURCE#")


@pytest.mark.parametrize("name", sorted(name for name in MODULES if room_of(name) in KEYLESS))
def test_messages_name_fields_and_no_parameters(name: str) -> None:
    assert parameters_in(MODULES[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("raise ParameterError('OUT_NODATA is 3.')", ["OUT_NODATA"]),
        (
            "raise ParameterError(f'{x} needs SOURCE2_IL and SOURCE{n}_RFIELD{axis}: set them.')",
            ["SOURCE*_RFIELD*", "SOURCE2_IL"],
        ),
        ("raise ParameterError(f'{what} OUT{role}')", ["OUT*"]),
        ("def f():\n    '''Return OUT_NODATA.'''\nX = 1\n'''Of OUT_NODATA.'''", []),
        ("raise ParameterError(f\"{field('out_nodata')} is 3.\")", []),
        ("query = 'SELECT a FROM b WHERE c IN (1, 2)'", []),
    ],
)
def test_a_parameter_in_a_message_is_found(source: str, found: list[str]) -> None:
    assert parameters_in(source) == found


def test_words_that_are_left_out_are_parameters() -> None:
    assert set(NOT_PARAMETERS) <= parameter_names()
