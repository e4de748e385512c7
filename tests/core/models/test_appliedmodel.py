"""How serving applies a model by default, as the dialogs and the page of DescribeModel tell it before a run."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from otbtf_qgis.core.models.appliedmodel import applied
from otbtf_qgis.core.models.servingdefaults import ServingDefaults, SourceDefaults
from otbtf_qgis.core.models.sidecar import AxisNumbers, Geometry
from otbtf_qgis.core.probing.appliedgeometry import choose_fields
from otbtf_qgis.core.probing.probedsidecar import size_law_of
from otbtf_qgis.core.probing.usersettings import AxisSettings, GeometrySettings

AXIS = AxisNumbers(Fraction(4), 4, 16, 1)
REGIONS = Geometry("y", ("x",), (3,), (Fraction(1),), (0,), "fully convolutional", x=AXIS, y=AXIS)
PATCH = Geometry("y", ("x",), (3,), (Fraction(1),), (0,), "patches of 9 x 9", patch=(9, 9))
OFF = ServingDefaults(fullyconv="off")


def sized(defaults: ServingDefaults, side: int) -> ServingDefaults:
    return replace(defaults, sources={"x": SourceDefaults((side, side))})


@pytest.mark.parametrize(
    ("geometry", "defaults", "verdict", "scale"),
    [
        (REGIONS, None, "fully convolutional", 4),
        (REGIONS, ServingDefaults(spcscale=Fraction(1)), "fully convolutional", 4),
        (REGIONS, ServingDefaults(context=32), "context of fixed size: 32 x 32", 4),
        (PATCH, None, "patches of 9 x 9", 1),
    ],
)
def test_without_patches_the_geometry_tells(geometry, defaults, verdict: str, scale: int) -> None:
    found = applied(geometry, defaults)
    assert (found.verdict, found.scale, found.by_patches) == (verdict, scale, False)


@pytest.mark.parametrize(
    ("geometry", "defaults", "verdict"),
    [
        (REGIONS, replace(OFF, spcscale=Fraction(1)), "patches of 16 x 16, one value per pixel"),
        (REGIONS, OFF, "patches of 16 x 16, one value every 4 pixels"),
        (REGIONS, sized(OFF, 20), "patches of 20 x 20, one value per pixel"),
        (REGIONS, replace(sized(OFF, 20), spcscale=Fraction(5)), "patches of 20 x 20, one value every 5 pixels"),
        (PATCH, replace(OFF, spcscale=Fraction(3)), "patches of 9 x 9, one value every 3 pixels"),
    ],
)
def test_patches_are_told_as_the_run_computes_them(geometry, defaults: ServingDefaults, verdict: str) -> None:
    found = applied(geometry, defaults)
    own = defaults.rfields.get("x") or (None, None)
    given = [AxisSettings(name, (size,), scale=defaults.spcscale) for name, size in zip("xy", own)]
    fields = choose_fields(GeometrySettings("off", *given), size_law_of(geometry), geometry.ratios)
    assert (found.patch, found.scale) == (fields.rfield(0), fields.x.scale)
    assert (found.verdict, found.by_patches, fields.fullyconv) == (verdict, True, False)


def test_patches_of_unknown_size() -> None:
    several = replace(REGIONS, x=replace(AXIS, efield=4), y=replace(AXIS, efield=4))
    assert applied(several, OFF).verdict == "patches, one value per pixel"
