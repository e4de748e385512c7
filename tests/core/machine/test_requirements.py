"""Which packages an engine gets, by Python, platform and processor."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from otbtf_qgis.core.errors import EngineError
from otbtf_qgis.core.machine.extras import EXTRAS, packages_of
from otbtf_qgis.core.machine.installing import constraints, requirements


@pytest.mark.parametrize(
    ("python", "tensorflow", "keras"),
    [
        ((3, 9), "tensorflow-cpu>=2.20", "keras>=3.10"),
        ((3, 10), "tensorflow-cpu>=2.21", "keras>=3.12.4"),
        ((3, 11), "tensorflow-cpu>=2.21", "keras>=3.13.2"),
        ((3, 13), "tensorflow-cpu>=2.21", "keras>=3.13.2"),
    ],
)
def test_requirements_by_python(python, tensorflow, keras):
    assert requirements(python, "linux", "x86_64", 2, False)[:3] == [tensorflow, keras, "numpy>=2,<3"]


@pytest.mark.parametrize(
    ("platform", "machine", "gpu", "tensorflow"),
    [
        ("linux", "x86_64", True, "tensorflow[and-cuda]>=2.21"),
        ("linux", "aarch64", False, "tensorflow>=2.21"),
        ("win32", "AMD64", False, "tensorflow-cpu>=2.21"),
        ("darwin", "arm64", False, "tensorflow>=2.21"),
    ],
)
def test_requirements_by_platform(platform, machine, gpu, tensorflow):
    assert requirements((3, 12), platform, machine, None, gpu)[:3] == [tensorflow, "keras>=3.13.2", "numpy"]


def test_python_314_gets_no_keras_beside_the_nightly_one_that_tensorflow_brings():
    assert requirements((3, 14), "linux", "x86_64", 2, False)[:2] == ["tensorflow-cpu>=2.22.0rc0", "numpy>=2,<3"]
    assert "keras-nightly" in bounds((3, 14)) and "keras" not in bounds((3, 14))


PYTHONS = [(3, minor) for minor in range(9, 15)]


def bounds(python: tuple[int, int]) -> dict[str, str]:
    lines = [line for line in constraints(python).read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("<=") for line in lines)


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_has_a_newest_version_that_it_admits(python):
    for gpu in (False, True):
        for text in [*requirements(python, "linux", "x86_64", None, gpu), *packages_of(EXTRAS, gpu)]:
            wanted = Requirement(text)
            assert wanted.specifier.contains(bounds(python)[wanted.name], prereleases=True), text
    newest = {(3, 9): "3.10.0", (3, 10): "3.12.4"}  # what Python 3.9 and 3.10 can have of Keras ends there
    assert bounds(python).get("keras") == newest.get(python, None if python == (3, 14) else "3.15.1")


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["engine", *EXTRAS])
def test_the_extra_of_the_package_asks_for_the_same(python, name):
    """What pip takes of `otbtf_qgis[engine]` is what InstallEngine takes: name by name the same bounds."""
    place = {"python_version": f"{python[0]}.{python[1]}"}
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    listed = re.findall(r'^    "([^"]+)",', project.partition(f"\n{name} = [")[2].partition("\n]")[0], re.MULTILINE)
    extra = [Requirement(text) for text in listed]
    here = {wanted.name: wanted.specifier for wanted in extra if not wanted.marker or wanted.marker.evaluate(place)}
    texts = requirements(python, "linux", "aarch64", None, False) if name == "engine" else packages_of([name])
    asked = [Requirement(text) for text in texts]
    ours = {wanted.name: wanted.specifier for wanted in asked if wanted.name != "numpy"}  # of GDAL's major version
    ours = {
        name: spec & SpecifierSet(f"<={bounds(python)[name]}") if name != "setuptools" else spec
        for name, spec in ours.items()
    }
    assert here == ours


def test_numpy_keeps_the_major_version_of_gdals():
    assert "numpy<2" in requirements((3, 11), "linux", "x86_64", 1, False)


def test_the_old_tensorboard_gets_what_it_needs() -> None:
    assert "setuptools<82" in requirements((3, 9), "linux", "x86_64", 1, False)
    assert not any("setuptools" in wanted for wanted in requirements((3, 10), "linux", "x86_64", 1, False))


@pytest.mark.parametrize("python", [(3, 8), (3, 15)])
def test_python_without_tensorflow(python):
    with pytest.raises(EngineError, match=rf"Python 3\.{python[1]}: .*3\.9 to 3\.14.*OTBTF_PYTHON"):
        requirements(python, "linux", "x86_64", 1, False)


@pytest.mark.parametrize(
    ("platform", "machine"),
    [("darwin", "x86_64"), ("win32", "ARM64"), ("linux", "x86_64 (32 bit)"), ("freebsd14", "amd64")],
)
def test_platform_without_tensorflow(platform, machine):
    with pytest.raises(EngineError, match="No current TensorFlow exists for " + platform):
        requirements((3, 12), platform, machine, 2, False)


@pytest.mark.parametrize(("platform", "machine"), [("win32", "AMD64"), ("darwin", "arm64"), ("linux", "aarch64")])
def test_gpu_where_there_is_none(platform, machine):
    with pytest.raises(EngineError, match="CUDA can be installed on Linux on x86_64 only"):
        requirements((3, 12), platform, machine, 2, True)


def test_the_page_downloads_the_wheels_that_are_wanted():
    page = (Path(__file__).parents[3] / "docs" / "engine.md").read_text(encoding="utf-8")
    command = re.search(r"pip download(.*?)\n\n", page, re.DOTALL)
    wanted = requirements((3, 11), "linux", "x86_64", 1, gpu=False)
    assert command and set(wanted) <= set(command[1].replace('"', "").split())
