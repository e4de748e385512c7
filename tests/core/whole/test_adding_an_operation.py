"""The page on adding an operation: its three files are all that a new operation needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tree

TOP = Path(__file__).resolve().parents[3]


def files_of_the_page() -> dict[str, str]:
    """The files that the section quotes, by path."""
    page = (TOP / "docs" / "development.md").read_text(encoding="utf-8")
    section = page.split("\n## Adding an operation\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^`([\w./]+)`:\n\n```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the operation added."""
    folder = tmp_path_factory.mktemp("tree")
    tree.lay_out(folder, copy=True)
    for path, text in files_of_the_page().items():
        target = folder / path if path.startswith("tests/") else folder / "otbtf_qgis" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        assert not target.exists(), path
        target.write_text(text, encoding="utf-8")
    return folder


def told(package: Path, *arguments: str) -> str:
    """What a Python that imports the copy prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=package,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_a_declaration_a_body_and_a_test() -> None:
    assert [path.rpartition("/")[0] for path in files_of_the_page()] == [
        "core/operations",
        "core/imagetools",
        "tests/core/imagetools",
    ]


def test_its_test_passes(package: Path) -> None:
    assert "1 passed" in told(package, "-m", "pytest", "-q", "-p", "no:pytest_qgis", "-p", "no:cacheprovider", "tests")


def test_it_is_known_by_name(package: Path) -> None:
    program = """
from otbtf_qgis import core
from otbtf_qgis.core import otbApplication, registry
from otbtf_qgis.core.workflows.commandline import parse_commands
print("ShareAbove" in registry.names(), core.ShareAbove.__name__)
print("ShareAbove" in otbApplication.Registry.GetAvailableApplications())
print(parse_commands("otbcli_ShareAbove -help")[0].help)
"""
    lines = told(package, "-c", program).splitlines()
    assert lines[:2] == ["True ShareAbove", "True"]
    assert lines[2].startswith("ShareAbove: Measures how many")
    assert [line.split()[0] for line in lines[3:]] == [*("Images:", "-in", "Settings:", "-level", "No-data:", "-alpha")]
