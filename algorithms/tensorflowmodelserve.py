"""otbtf:tensorflowmodelserve."""

from __future__ import annotations

from ..core.operations.tensorflowmodelserve import TensorflowModelServe as Operation
from .base import OtbtfAlgorithm
from .styling import style_classes
from .translate import tr


class TensorflowModelServe(OtbtfAlgorithm):
    """Rasters through a model, into a raster."""

    OPERATION = Operation
    GROUP = "inference"

    def displayName(self):
        return tr("Serve a TensorFlow model")

    def description(self):
        return tr(
            "Applies a TensorFlow or Keras model to one or several rasters and writes a georeferenced raster, however "
            "large the images are: they are streamed through the model within the memory that you allow.\n\n"
            "The model is patch-based (one patch of pixels gives one output pixel) or fully convolutional (it takes "
            "whole regions). Each source is a list of rasters on one grid, stacked; several sources may have different "
            "pixel sizes. The parameters are those of OTBTF's TensorflowModelServe."
        )

    @staticmethod
    def style(output, layer, results):
        """Show the classes that the model's sidecar names."""
        if results.get("CLASSES"):
            style_classes(layer, results["CLASSES"])
