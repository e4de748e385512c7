"""Conversion between the results of probing and a model's sidecar."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ..models.sidecar import AxisNumbers, Geometry, Sidecar, Surroundings
from ..phrases import Phrase
from .sizelaw import AxisSizeLaw, Probe, SizeLaw
from .sources import ModelInputs
from .tilemargins import TileMargins

_REFUSED = Phrase("refused")
"""Where a model takes no input of a size."""


def as_geometry(
    output: str,
    inputs: ModelInputs,
    bands: Sequence[int],
    ratios: Sequence[Fraction],
    law: SizeLaw,
    margins: TileMargins | None,
    size: tuple[int, int],
    verdict: str,
    seen: Sequence[tuple[int, int]] = (),
) -> Geometry:
    """Return the geometry of one output as a sidecar holds it; the margins are valid for `size`."""
    return Geometry(
        output,
        tuple(info.name for info in inputs.images),
        tuple(bands),
        tuple(ratios),
        law.offsets,
        verdict,
        _placeholders(inputs),
        None if law.x is None else AxisNumbers(**vars(law.x)),
        None if law.y is None else AxisNumbers(**vars(law.y)),
        law.patch,
        None if margins is None else Surroundings(size, **vars(margins)),
        tuple(seen),
    )


def known_geometry(
    sidecar: Sidecar | None,
    outputs: Sequence[str],
    inputs: ModelInputs,
    bands: Sequence[int],
    ratios: Sequence[Fraction],
) -> tuple[SizeLaw, list[tuple[TileMargins, tuple[int, int]]]] | None:
    """Return size law and tile margins of these outputs from the sidecar; None if it does not cover exactly this use.

    The margins (none, or one) stand with the size of a region for which they are right.

    It covers the use where it describes each output for the same inputs, bands, pixel sizes and user
    placeholders, and they do the same to sizes.
    """
    described = [sidecar.geometries.get(output) for output in outputs] if sidecar else []
    use = (tuple(info.name for info in inputs.images), tuple(bands), tuple(ratios), _placeholders(inputs))
    found = [g for g in described if g and (g.inputs, g.bands, g.ratios, g.placeholders) == use]
    if not found or len(found) != len(outputs):
        return None
    laws = {size_law_of(geometry) for geometry in found}
    if len(laws) != 1:
        return None
    return laws.pop(), _together([geometry.surroundings for geometry in found])


def check_size_law(sidecar: Sidecar, law: SizeLaw, probe: Probe) -> None:
    """Raise ModelError if the model returns a size that contradicts the size law in its sidecar."""
    for axis, vertical in ((law.x, False), (law.y, True)):
        if axis is None or axis.fixed:
            continue
        step = int(np.lcm(axis.lattice, axis.scale.numerator)) * axis.scale.denominator
        for pixels in (axis.rfield, axis.rfield + step):
            size = probe.size(pixels)
            expected = int((pixels - axis.crop) / axis.scale)
            found = None if size is None else size[vertical]
            if found != expected:
                what = (
                    Phrase("the height of the output for {pixels} pixels", pixels=pixels)
                    if vertical
                    else Phrase("the width of the output for {pixels} pixels", pixels=pixels)
                )
                raise sidecar.contradiction(what, expected, found or _REFUSED)
    if law.patch and probe.size(law.patch[0]) != (1, 1) and law.patch[0] == law.patch[1]:
        raise sidecar.contradiction(
            Phrase(
                "the output for a patch of {patch} x {law_patch} pixels", patch=law.patch[0], law_patch=law.patch[1]
            ),
            "1 x 1",
            probe.size(law.patch[0]) or _REFUSED,
        )


def _placeholders(inputs: ModelInputs) -> tuple[tuple[str, tuple[float, ...]], ...]:
    return tuple((name, tuple(value.ravel().tolist())) for name, value in sorted(inputs.constants.items()))


def size_law_of(geometry: Geometry) -> SizeLaw:
    """Return the size law in a sidecar."""
    x, y = (None if axis is None else AxisSizeLaw(**vars(axis)) for axis in (geometry.x, geometry.y))
    return SizeLaw(geometry.offsets, x, y, geometry.patch)


def _together(parts: Sequence[Surroundings | None]) -> list[tuple[TileMargins, tuple[int, int]]]:
    """The tile margins of several outputs, taken as one."""
    known = [part for part in parts if part is not None]
    if len(known) != len(parts) or len({part.size for part in known}) != 1:
        return []
    size = known[0].size
    each = [TileMargins(p.whole, p.stride, p.margin_x, p.margin_y, p.reason) for p in known]
    whole = next((margins for margins in each if margins.whole), None)
    if whole is not None:
        return [(whole, size)]
    x, y = (
        (max(pair[0] for pair in pairs), max(pair[1] for pair in pairs))
        for pairs in ([margins.margin_x for margins in each], [margins.margin_y for margins in each])
    )
    stride = int(np.lcm.reduce([margins.stride for margins in each]))
    return [(TileMargins(False, stride, x, y), size)]
