"""otbtf:tensorflowmodelserve."""

from __future__ import annotations

from ..core.operations.tensorflowmodelserve import TensorflowModelServe as Operation
from .base import OtbtfAlgorithm
from .styling import style_classes


class TensorflowModelServe(OtbtfAlgorithm):
    """Rasters through a model, into a raster."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        """Show the classes that the model's sidecar names."""
        if results.get("CLASSES"):
            style_classes(layer, results["CLASSES"])
