"""The plugin in a QGIS application, without TensorFlow. Also the parts that tests/gui shares."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal, osr
from qgis.core import QgsApplication, QgsProcessingContext, QgsProject
from qgis.gui import QgsLayerTreeView

sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))

from exported_layers import Source
from processing.core.Processing import Processing
from qgis.utils import iface

from otbtf_qgis.algorithms.reading import Reader, written
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.plugin import OtbtfPlugin
from otbtf_qgis.provider import OtbtfProvider

# Processing hands it to QGIS when it loads results (3.44); pytest-qgis's stand-in would not do.
_layers = QgsLayerTreeView()
iface.layerTreeView = lambda: _layers


class RecordingEngine:
    """Stands where the engine does: notes what it is asked, and answers with `answer`."""

    def __init__(self) -> None:
        self.warmed = 0
        self.stopped = 0
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answer: Callable[[dict[str, Any], Progress], dict[str, Any]] = lambda values, progress: {}

    def warm(self) -> None:
        self.warmed += 1

    def run(
        self, operation: str, values: Mapping[str, Any], progress: Progress, poll: Callable[[], None]
    ) -> dict[str, Any]:
        poll()
        self.requests.append((operation, dict(values)))
        return self.answer(dict(values), progress)

    def stop(self) -> None:
        self.stopped += 1


@pytest.fixture(scope="session")
def plugin(qgis_app: QgsApplication, qgis_iface: Any) -> Iterator[OtbtfPlugin]:
    Processing.initialize()
    plugin = OtbtfPlugin(qgis_iface)
    plugin.initProcessing()
    yield plugin
    plugin.unload()


@pytest.fixture
def provider(plugin: OtbtfPlugin) -> OtbtfProvider:
    assert plugin.provider is not None
    return plugin.provider


@pytest.fixture
def engine(provider: OtbtfProvider, monkeypatch: pytest.MonkeyPatch) -> RecordingEngine:
    """The provider with a recording engine, whose interpreter exists."""
    recorder = RecordingEngine()
    monkeypatch.setattr(provider, "_engine", recorder)
    monkeypatch.setenv("OTBTF_PYTHON", sys.executable)
    return recorder


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTBTF_PYTHON", raising=False)


@pytest.fixture
def context() -> Iterator[QgsProcessingContext]:
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    yield context
    QgsProject.instance().removeAllMapLayers()


@pytest.fixture
def make_raster(tmp_path: Path) -> Callable[[str], str]:
    """Writes a small raster of some texture and returns its path."""

    def make(name: str) -> str:
        path = str(tmp_path / name)
        data = gdal.GetDriverByName("GTiff").Create(path, 8, 6, 1, gdal.GDT_Byte)
        data.SetGeoTransform((1000, 10, 0, 2000, 0, -10))
        system = osr.SpatialReference()
        system.ImportFromEPSG(32654)
        data.SetProjection(system.ExportToWkt())
        data.GetRasterBand(1).WriteRaster(0, 0, 8, 6, bytes(range(48)))
        return path

    return make


@pytest.fixture
def source(provider: OtbtfProvider, context: QgsProcessingContext) -> Source:
    """Returns how a run's request names a layer."""
    algorithm = provider.algorithm("sampleextraction").create()

    def source(layer: Any, progress: Progress | None = None) -> Any:
        reader = Reader(algorithm, keys(algorithm.OPERATION), {"VEC": layer}, context)
        reader.inputs()  # as a check does
        return written(reader.inputs(run=True), progress or Progress())["vec"]

    return source
