"""What is said of a raster or a description that cannot be read names it once, and quotes no library."""

from __future__ import annotations

from pathlib import Path

import pytest

from otbtf_qgis.core.base.jsonvalues import OddJson, parse
from otbtf_qgis.core.errors import RasterError
from otbtf_qgis.core.geometry.grid import Grid
from otbtf_qgis.core.rasters.rasterstack import Stack


def test_a_missing_raster_is_named_once(tmp_path: Path) -> None:
    path = str(tmp_path / "none.tif")
    with pytest.raises(RasterError) as caught:
        Stack((path,), placed=False)
    assert str(caught.value).startswith(f"Cannot open the raster {path}: No such file or directory. ")


def test_a_rotated_raster() -> None:
    with pytest.raises(RasterError, match=r"geotransform 500000, 8, 2.5, 4800000, 2, -8\)"):
        Grid.from_geotransform((500000.0, 8.0, 2.5, 4800000.0, 2.0, -8.0), 20, 20)


def test_json_that_is_none() -> None:
    with pytest.raises(OddJson, match=r"^it is not JSON from line 2, column 1 on$"):
        parse("{\n")
