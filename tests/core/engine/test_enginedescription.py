"""The engine's report: this test runs in an engine, so it can compare."""

from __future__ import annotations

import json
import os
import platform
import sys

import pytest

from otbtf_qgis.core import registry
from otbtf_qgis.core.engine import enginedescription as enginereport
from otbtf_qgis.core.errors import ParameterError


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("report")
    return registry.run("EngineReport", {"out.html": str(folder / "r.html"), "out.json": str(folder / "r.json")})


def test_it_tells_this_interpreter(report):
    import keras
    import numpy
    import tensorflow
    from osgeo import gdal

    assert report["interpreter"] == sys.executable
    assert report["python"] == platform.python_version()
    assert (report["tensorflow"], report["keras"]) == (tensorflow.__version__, keras.__version__)
    assert (report["gdal"], report["numpy"]) == (gdal.__version__, numpy.__version__)
    assert report["gdal_array"] == ""
    assert report["plugin"] and report["scikit-learn"]


def test_it_tells_the_machine(report):
    assert "CPU:0" in [device["name"] for device in report["devices"]]
    assert report["cores"] >= 1
    assert 0 < report["memory_available_mb"] < report["memory_total_mb"]


def test_json_is_the_result(report):
    with open(report["out.json"], encoding="utf-8") as file:
        written = json.load(file)
    assert written == {key: value for key, value in report.items() if not key.startswith("out.")}


def test_html_is_whole_and_nothing_else_is_left(report):
    with open(report["out.html"], encoding="utf-8") as file:
        page = file.read()
    assert f"<tr><th>TensorFlow</th><td>{report['tensorflow']}</td></tr>" in page
    assert page.rstrip().endswith("</html>")
    assert sorted(os.listdir(os.path.dirname(report["out.html"]))) == ["r.html", "r.json"]


def test_html_is_escaped(report):
    page = enginereport._page({**report, "interpreter": "/a<b>&c/python"})
    assert "/a&lt;b&gt;&amp;c/python" in page
    assert "<b>" not in page


def test_only_the_files_asked_for(report, tmp_path):
    result = registry.run("EngineReport", {"out.json": str(tmp_path / "only.json")})
    assert [path.name for path in tmp_path.iterdir()] == ["only.json"]
    assert "out.html" not in result


def test_folder_that_is_not_there(tmp_path):
    with pytest.raises(ParameterError, match=r"OUT_HTML is .*missing.*create it"):
        registry.run("EngineReport", {"out.html": str(tmp_path / "missing" / "r.html")})


def test_folder_as_file(tmp_path):
    with pytest.raises(ParameterError, match="OUT_JSON is .* which is a folder"):
        registry.run("EngineReport", {"out.json": str(tmp_path)})


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that nobody can write into")
def test_file_that_cannot_be_written_is_named(report):
    with pytest.raises(ParameterError, match=r"OUT_JSON is /proc/r.json, which cannot be written"):
        registry.run("EngineReport", {"out.json": "/proc/r.json"})
