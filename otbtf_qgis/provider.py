"""The Processing provider: lists the algorithms, and gives them the options and the engine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from osgeo import gdal
from qgis.core import QgsApplication, QgsProcessingAlgorithm, QgsProcessingProvider
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtGui import QIcon

from . import __version__, options
from .algorithms import algorithm_classes
from .algorithms.base import ICONS
from .algorithms.translate import tr
from .broughtmodels import brought_models
from .core.base.progress import Progress
from .core.errors import EngineError
from .core.parameters.parsing import absolute_values
from .core.registry import declaration
from .engine import interpreter
from .engine.client import Engine
from .engine.tensorboards import TensorBoards

DialogMaker = Callable[[QgsProcessingAlgorithm, Any], Any]
"""Makes the dialog of an algorithm for a parent window; None where QGIS's own is to open."""


class OtbtfProvider(QgsProcessingProvider):
    """`otbtf:` in the toolbox."""

    def __init__(self):
        super().__init__()
        self._loaded = False
        self._engine = Engine(self._interpreter)
        self._tensorboards = TensorBoards(self.run_in_engine)
        self._make_dialog: DialogMaker | None = None

    def id(self):
        return "otbtf"

    def name(self):
        return "OTBTF"

    def longName(self):
        return f"OTBTF {__version__}"

    def versionInfo(self):
        return __version__

    def icon(self):
        return QIcon(self.svgIconPath())

    def svgIconPath(self):
        return str(ICONS / "icon.svg")

    def load(self):
        options.register(self.name(), self.icon())
        self.refreshAlgorithms()
        QgsApplication.processingRegistry().providerAdded.connect(self._on_provider_added)
        QCoreApplication.instance().aboutToQuit.connect(self.stop_engine)
        self._loaded = True
        return True

    def unload(self):
        # The registry calls this, at the exit of QGIS while it is being destroyed itself: then what we are connected
        # to is gone, and an exception would abort QGIS.
        if not self._loaded:
            return
        self._loaded = False
        registry, application = QgsApplication.processingRegistry(), QCoreApplication.instance()
        if registry is not None:
            registry.providerAdded.disconnect(self._on_provider_added)
        if application is not None:
            application.aboutToQuit.disconnect(self.stop_engine)
        self.stop_engine()
        options.unregister()

    def loadAlgorithms(self):
        for algorithm_class in algorithm_classes():
            algorithm = algorithm_class()
            # addAlgorithm asks for the parameters before it does this, and those shown depend on our options.
            algorithm.setProvider(self)
            self.addAlgorithm(algorithm)
        if QgsApplication.processingRegistry().providerById(self.id()) is not None:
            self._add_models()

    def _on_provider_added(self, identifier):
        """Add the models once the registry finds our algorithms, which they are made of."""
        if identifier == self.id():
            self._add_models()
            self.algorithmsLoaded.emit()

    def _add_models(self):
        for model in brought_models():
            self.addAlgorithm(model)

    def supportsNonFileBasedOutput(self):
        return False

    def supportedOutputRasterLayerExtensions(self):
        return _raster_extensions()

    def use_dialogs(self, make: DialogMaker | None) -> None:
        """Let the dialogs of algorithms be made by `make`, which needs windows; None for QGIS's own."""
        self._make_dialog = make

    # ------------------------------------------- what the algorithms ask for

    def dialog(self, algorithm: QgsProcessingAlgorithm, parent: Any) -> Any:
        """Return a dialog for an algorithm; None where QGIS's own is to open."""
        return self._make_dialog(algorithm, parent) if self._make_dialog is not None else None

    def options(self) -> options.Options:
        """Return the plugin's options as they are now."""
        return options.read()

    def engine_folder(self) -> str:
        """Return the folder in the profile that holds the engine for this Python."""
        version = f"engine-py{sys.version_info[0]}.{sys.version_info[1]}"
        return str(Path(QgsApplication.qgisSettingsDirPath()) / "otbtf" / version)

    def engine_problem(self) -> str:
        """Return why there is no engine and how to get one; empty where there is one."""
        try:
            self._interpreter()
        except EngineError as error:
            return tr(error.message)
        return ""

    def engine_state(self) -> tuple[interpreter.State, str]:
        """Return what there is of an engine, and why it cannot be used."""
        state, problem = interpreter.state(self.options().interpreter, Path(self.engine_folder()))
        return state, tr(problem)

    def warm_engine(self) -> None:
        """Start the engine, without waiting for it, so that it is ready when it is asked.

        Raises:
            EngineError: there is none.
        """
        self._engine.warm()

    def runs_in_engine(self) -> int:
        """Return how many operations are running in the engine."""
        return self._engine.running

    def run_in_engine(
        self, operation: str, values: dict[str, Any], progress: Progress, poll: Callable[[], None]
    ) -> dict[str, Any]:
        """Run an operation in the engine, which works in a folder of its own, and return its results.

        Raises:
            OtbtfError: bad input, or the engine is missing or has died.
            Cancelled: the user asked to stop.
        """
        return self._engine.run(operation, absolute_values(declaration(operation), values), progress, poll)

    def open_tensorboard(self, values: dict[str, Any], progress: Progress, poll: Callable[[], None]) -> str:
        """Return the address of a TensorBoard, which is started unless it runs, and ends with the engine.

        Raises:
            OtbtfError: it cannot be started.
            Cancelled: the user asked to stop.
        """
        return self._tensorboards.open(values, progress, poll)

    def stop_engine(self) -> None:
        """End the engine and what runs in it; the next request starts it anew."""
        self._engine.stop()

    def _interpreter(self) -> Path:
        return interpreter.find(self.options().interpreter, Path(self.engine_folder()))


def _raster_extensions() -> list[str]:
    """Return the file extensions of the formats that GDAL creates or copies into, tif first.

    QGIS's own list has only those that it can create.
    """
    found: set[str] = set()
    for number in range(gdal.GetDriverCount()):
        driver = gdal.GetDriver(number)
        writes = driver.GetMetadataItem("DCAP_CREATE") or driver.GetMetadataItem("DCAP_CREATECOPY")
        if driver.GetMetadataItem("DCAP_RASTER") and writes and driver.ShortName != "VRT":
            found.update((driver.GetMetadataItem("DMD_EXTENSIONS") or "").lower().split())
    return ["tif", *sorted(found - {"tif"})]
