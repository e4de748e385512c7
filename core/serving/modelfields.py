"""How a run applies a model: as found by probing, or in windows of a fixed context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..probing.appliedgeometry import Fields
from ..probing.fixedcontext import check_images
from ..probing.sources import OpenSource
from .servesettings import ServeSettings

if TYPE_CHECKING:  # it imports TensorFlow
    from ..probing.geometryresolver import GeometryResolver


def applied_fields(
    resolver: GeometryResolver,
    settings: ServeSettings,
    sources: Sequence[OpenSource],
    rfields: Mapping[str, tuple[int, int] | None],
) -> Fields:
    """Return how a model is applied.

    Args:
        resolver: probes the model.
        settings: of the run.
        sources: that feed it.
        rfields: by the names of its inputs, the sizes of patches that its sidecar knows.

    Raises:
        ParameterError, ModelError: see `GeometryResolver.fields` and `GeometryResolver.context_fields`.
    """
    if settings.context is None:
        return resolver.fields(settings.geometry, rfields)
    fields = resolver.context_fields(settings.context, settings.geometry)
    check_images(sources, fields)
    return fields
