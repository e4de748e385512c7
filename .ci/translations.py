"""The texts for users in the sources, and their translations in resources/i18n.

    python3 .ci/translations.py [--build build]       take over into each .po file what the sources say now

Texts are found in calls: `Phrase("...")`, `tr("...")`, an error of ours with a literal, a line for a progress; and in the
declarations of the operations, which are imported; and in the graphical models. `.ci/tree.py` compiles the catalogues. GNU
gettext does the work.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

TOP = Path(__file__).resolve().parents[1]
SOURCES = ("core", "algorithms", "otbtf_qgis")
CATALOGUES = TOP / "resources" / "i18n"

_BASE_ERROR = "OtbtfError"
_LINES = ("info", "warning")
_LOGS = ("_log", "logger")
_AUTHOR = "ALG_CREATOR"  # among the help texts of a model


def compile_to(folder: Path) -> None:
    """Compile each catalogue to FOLDER/LANGUAGE.mo, which a running process does not notice."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(CATALOGUES.glob("*.po")):
        target = folder / f"{path.stem}.mo"
        if not target.exists() or target.stat().st_mtime < path.stat().st_mtime:
            made = target.with_suffix(f".{os.getpid()}")
            subprocess.run(["msgfmt", "--output-file", made, path], check=True)
            made.replace(target)


def entries(path: Path) -> dict[str, str]:
    """Return the texts of a catalogue and their translations, which are empty where there is none, or a doubtful one."""
    found = {}
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#~")]
        parts: dict[str, str] = {}
        name = ""
        for line in lines:
            if line.startswith(("msgid ", "msgstr ")):
                name, line = line.split(" ", 1)
            if line.startswith('"'):
                parts[name] = parts.get(name, "") + ast.literal_eval(line)
        if parts.get("msgid"):
            doubtful = any(line.startswith("#,") and "fuzzy" in line for line in lines)
            found[parts["msgid"]] = "" if doubtful else parts["msgstr"]
    return found


def extracted() -> dict[str, list[str]]:
    """Return the texts that users see, each with the files that hold it; the package must be importable."""
    found: dict[str, list[str]] = {}
    for place, text in (*_of_sources(), *_of_declarations(), *_of_models()):
        places = found.setdefault(text, [])
        if text and place not in places:
            places.append(place)
    return {text: places for text, places in found.items() if re.search("[A-Za-z]{2}", _words(text))}


def _words(template: str) -> str:
    """Return a template without its placeholders, but for those that hold words."""
    return re.sub(r"\{[^{}|]*\}", "", template)


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path of each source file from the top of the repository, and its syntax tree."""
    for folder in SOURCES:
        for path in sorted((TOP / folder).rglob("*.py")):
            yield path.relative_to(TOP).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def _of_sources() -> Iterator[tuple[str, str]]:
    found = list(trees())
    errors = errors_of(tree for _, tree in found)
    for place, tree in found:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) == "Key":
                yield from ((place, text) for text in _of_key(node))
            elif isinstance(node, ast.Call) and node.args and (text := literal(node.args[0])):
                name = called(node)
                if name in ("Phrase", "tr") or is_line(node):
                    yield place, text
                elif name in errors:
                    yield place, text if node.keywords else text.replace("{", "{{").replace("}", "}}")


def _of_key(node: ast.Call) -> Iterator[str]:
    """Yield label and help of a key that is declared outside of an operation."""
    yield from filter(None, map(literal, node.args[2:4]))


def literal(node: ast.expr) -> str:
    """Return the text of a literal; empty for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def called(node: ast.Call) -> str:
    """Return the last name of what is called."""
    function = node.func
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def is_line(node: ast.Call) -> bool:
    """Tell whether a call gives a line to a progress."""
    function = node.func
    if not (isinstance(function, ast.Attribute) and function.attr in _LINES):
        return False
    return not ast.unparse(function.value).endswith(_LOGS)


def errors_of(every: Iterable[ast.Module]) -> set[str]:
    """Return the names of the classes that derive from OtbtfError."""
    bases = {
        node.name: {ast.unparse(base).split(".")[-1] for base in node.bases}
        for tree in every
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {_BASE_ERROR}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def _of_declarations() -> Iterator[tuple[str, str]]:
    from otbtf_qgis.core import registry
    from otbtf_qgis.core.parameters.parsing import keys
    from otbtf_qgis.core.parameters.sections import SECTIONS
    from otbtf_qgis.core.parameters.templatenames import TEMPLATES

    for name in registry.names():
        operation = registry.declaration(name)
        place = f"core/operations/{name.lower()}.py"
        every = keys(operation)
        texts: list[Any] = [operation.TITLE, operation.DESCRIPTION]
        texts += [text for key in every for text in (key.label, key.help, key.file_filter)]
        texts += [result.label for result in operation.RESULTS]
        for text in texts:
            yield from ((place, template) for template in _templates(text))
    yield from (("core/parameters/sections.py", title) for title in SECTIONS)
    for template in TEMPLATES.values():
        for text in (template.use, *template.inputs, template.training, template.remark, template.origin):
            yield "core/parameters/templatenames.py", text


def _of_models() -> Iterator[tuple[str, str]]:
    """Yield what `otbtf_qgis/broughtmodels.py` translates of the graphical models."""
    for path in sorted((TOP / "resources" / "models").glob("*.model3")):
        content = ElementTree.parse(path).getroot()
        found = [option for option in content.findall("Option[@name='help']/Option") if option.get("name") != _AUTHOR]
        for name in ("description", "help"):
            found += content.findall(f"Option[@name='parameterDefinitions']/Option/Option[@name='{name}']")
        for part in ("", "Option[@name='outputs']/Option/"):
            found += content.findall(f"Option[@name='children']/Option/{part}Option[@name='component_description']")
        yield from ((path.relative_to(TOP).as_posix(), option.get("value", "")) for option in found)


def _templates(text: str) -> Iterator[str]:
    """Yield the template of a phrase and those of its values; a plain text is its own."""
    yield getattr(text, "template", text)
    for value in getattr(text, "values", {}).values():
        if hasattr(value, "template"):
            yield from _templates(value)


def write_template(path: Path, texts: dict[str, list[str]]) -> None:
    """Write texts as a gettext template (.pot)."""
    lines = ['msgid ""', 'msgstr ""', '"Content-Type: text/plain; charset=UTF-8\\n"', ""]
    for text, places in sorted(texts.items(), key=lambda item: (item[1][0], item[0])):
        lines += [f"#: {places[0]}"]
        lines += ["#, python-brace-format"] if "{" in text and "|" not in text else []
        lines += [f"msgid {_quoted(text)}", 'msgstr ""', ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def main() -> None:
    """Bring the catalogues up to date, and say what is not translated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=TOP / "build")
    sys.path.insert(0, str(parser.parse_args().build / "tree"))
    texts = extracted()
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "otbtf_qgis.pot"
        write_template(template, texts)
        for path in sorted(CATALOGUES.glob("*.po")):
            merge = ["msgmerge", "--quiet", "--update", "--backup=none", "--width=120", path, template]
            subprocess.run(merge, check=True)
            subprocess.run(["msgattrib", "--no-obsolete", "--width=120", "--output-file", path, path], check=True)
            missing = [text for text, translation in entries(path).items() if not translation]
            print(f"{path.name}: {len(texts)} texts, {len(missing)} without a translation")


if __name__ == "__main__":
    main()
