"""otbtf:tensorflowmodelserve."""

from __future__ import annotations

from ..core.operations.tensorflowmodelserve import TensorflowModelServe as Operation
from .base import OtbtfAlgorithm
from .styling import style_outputs


class TensorflowModelServe(OtbtfAlgorithm):
    """Rasters through a model, into a raster."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        """Show the classes that the model's sidecar names, or its values."""
        style_outputs(output, layer, results)
