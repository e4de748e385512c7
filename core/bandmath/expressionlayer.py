"""An expression as a layer of a Keras model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from ..errors import ParameterError, field
from .expression import Expression


@keras.saving.register_keras_serializable(package="otbtf_qgis")
class BandArithmetic(keras.layers.Layer):
    """Computes an expression of BandMathX for each pixel, in float32.

    Takes a list of images of shape (..., bands), alike but for the bands; returns (..., bands of the result).
    """

    def __init__(self, expression: str, statistics: Mapping[str, float] | None = None, **kwargs: Any) -> None:
        """Make the layer.

        Args:
            expression: the text.
            statistics: values of the statistics in it, by name: im1b1Maxi, ...
            **kwargs: for Keras's base class.

        Raises:
            ParameterError: it is no expression, or a statistic is missing.
        """
        kwargs["autocast"] = False  # half precision would round pixels
        super().__init__(**kwargs)
        self._expression = Expression.of_pixels(expression)
        given = dict(statistics or {})
        missing = [name for name in self._expression.statistics if name not in given]
        if missing:
            image = self._expression.images_with_statistics[0]
            raise ParameterError(
                "{expression} holds {missing}, which are statistics of images: give the images, from {il} on.",
                expression=field("expression"),
                missing=", ".join(missing),
                il=field("il", of="sources", number=image),
            )
        self._statistics = {name: float(given[name]) for name in self._expression.statistics}

    def build(self, input_shape: Sequence[Sequence[int | None]]) -> None:
        """Check the expression against the images' bands."""
        self._expression.check([int(shape[-1] or 0) for shape in input_shape])
        super().build(input_shape)

    def call(self, images: Sequence[Any]) -> Any:
        """Return the expression's value."""
        images = [keras.ops.cast(image, "float32") for image in images]
        return self._expression.compute(keras.ops, images, self._statistics)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the layer again."""
        config: dict[str, Any] = super().get_config()
        config.pop("autocast", None)
        return {**config, "expression": self._expression.text, "statistics": self._statistics}
