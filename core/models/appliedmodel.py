"""How serving applies a model where the user says nothing: by what it does to sizes, and by its serving defaults."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..phrases import Phrase
from .servingdefaults import ServingDefaults
from .sidecar import Geometry, patches_verdict


@dataclass(frozen=True)
class Applied:
    """How serving applies a model for an output.

    Attributes:
        verdict: in words.
        scale: width of the output's pixels, in pixels of the first source.
        patch: width and height of the patches that its serving defaults ask for; None where they ask for none, or for
            such of unknown size.
        by_patches: whether they ask for patches.
    """

    verdict: str
    scale: Fraction
    patch: tuple[int, int] | None = None
    by_patches: bool = False


def applied(geometry: Geometry, defaults: ServingDefaults | None) -> Applied:
    """Return how serving applies a model for an output, as `core.serving.defaultsapplied` lets it."""
    scale = geometry.x.scale if geometry.x else Fraction(1)
    if defaults is not None and defaults.context and geometry.x is not None:
        return Applied(Phrase("context of fixed size: {side} x {side}", side=defaults.context), scale)
    if defaults is not None and defaults.fullyconv == "off":
        return _by_patches(geometry, defaults)
    return Applied(geometry.verdict, scale)


def _by_patches(geometry: Geometry, defaults: ServingDefaults) -> Applied:
    """Return how patches are computed; their sizes and distance are chosen as in `core.probing.appliedgeometry`."""
    sizes, x, y = defaults.rfields, geometry.x, geometry.y
    single = (x.rfield, y.rfield) if x and y and x.efield == y.efield == 1 else None
    patch = geometry.patch or sizes.get(geometry.inputs[0] if geometry.inputs else "") or single
    complete = all(sizes.get(name) for name in geometry.inputs)
    scale = defaults.spcscale or (x.scale if x and single and not complete else Fraction(1))
    verdict = patches_verdict(*patch) if patch else Phrase("patches")
    if scale == 1:
        told = Phrase("{patches}, one value per pixel", patches=verdict)
    else:
        told = Phrase("{patches}, one value every {scale:g} pixels", patches=verdict, scale=float(scale))
    return Applied(told, scale, patch, True)
