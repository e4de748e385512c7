"""otbtf:searchsettings."""

from __future__ import annotations

from ..core.operations.searchsettings import SearchSettings as Operation
from .base import OtbtfAlgorithm


class SearchSettings(OtbtfAlgorithm):
    """Trainings with other settings, of which the best is kept."""

    OPERATION = Operation

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.parameterDefinition("SETTINGS").setMultiLine(True)

    def _run(self, values, progress):
        from ..core.search.space import with_absolute_paths  # QGIS starts without it

        # The engine works in another folder than the user.
        given = values.get("settings")
        return super()._run({**values, "settings": with_absolute_paths(given)} if given else values, progress)
