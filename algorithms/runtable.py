"""otbtf:runtable."""

from __future__ import annotations

from ..core.operations.runtable import RunTable as Operation
from ..core.registry import declaration
from ..core.tables.givenonce import with_absolute_paths
from .base import OtbtfAlgorithm


class RunTable(OtbtfAlgorithm):
    """One operation over the rows of a table."""

    OPERATION = Operation

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.parameterDefinition("PARAMETERS").setMultiLine(True)

    def _run(self, values, progress):
        # The engine works in another folder than the user.
        given = values.get("parameters")
        if given:
            operation = declaration(values.get("operation") or self.OPERATION.operation)
            values = {**values, "parameters": with_absolute_paths(operation, given)}
        return super()._run(values, progress)
