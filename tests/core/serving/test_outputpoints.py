"""The outputs at single pixels are those that a whole run writes there, in either mode, however they are grouped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
import small_models

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.operations.tensorflowmodelserve import TensorflowModelServe
from otbtf_qgis.core.parameters.parsing import parse

PATCHES = {"source1_rfieldx": 12, "source1_rfieldy": 12, "model_fullyconv": "off"}
TILES = {"optim_tilesizex": 16, "optim_tilesizey": 16}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "regions at once": ("unet", {}),
    "regions that overlap": ("unet", TILES),
    "regions without padding": ("valid", TILES),
    "regions of a finer output": ("super_resolution", TILES),
    "the whole image": ("attention", TILES),
    "windows": ("attention", {"model_context": 16, **TILES}),
    "patches": ("valid", PATCHES),
    "patches further apart": ("valid", {**PATCHES, "output_spcscale": 3}),
    "patches beyond the edge": ("valid", {**PATCHES, "padding": "reflect"}),
    "patches of one size": ("classifier", {}),
    "sources of two pixel sizes": ("two_resolutions", TILES),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points")
    noise = serving.noise(60, 72, 3, "float32")
    noise[10:30, 20:50] = -1
    serving.write(folder / "image.tif", noise)
    serving.write(folder / "holes.tif", noise, nodata=-1)
    serving.write(folder / "coarse.tif", serving.noise(30, 36, 2, "float32"), (300000, 20, 0, 4000000, 0, -20))
    import keras

    for name in ("unet", "valid", "super_resolution", "attention", "classifier", "two_resolutions"):
        keras.utils.set_random_seed(3)
        small_models.save(getattr(small_models, name)(), folder, name)
    return folder


def single(values: dict[str, Any], columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute single outputs as training does."""
    from otbtf_qgis.core.serving.memorybudget import MemoryBudget
    from otbtf_qgis.core.serving.openmodel import open_model
    from otbtf_qgis.core.serving.outputpoints import Points
    from otbtf_qgis.core.serving.parameterresolution import serve_settings
    from otbtf_qgis.core.serving.runplan import plan_points
    from otbtf_qgis.core.serving.tilecomputer import TileOutput

    plain = ("trust_model", "nodata_from_layer")
    keys = {name if name in plain else name.replace("_", ".", 1): value for name, value in values.items()}
    settings = serve_settings(parse(TensorflowModelServe, {**keys, "out": "unused.tif"}))
    opened, output = open_model(settings, Progress()), TileOutput(np.dtype("float32"))
    memory = MemoryBudget.of(settings.memory, opened.sources)
    plan = plan_points(opened, output, settings.tiling, memory, Progress())
    return Points(opened, plan, output)(columns, rows, Progress())


def places(shape: tuple[int, ...], number: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(number)
    rows, columns = np.divmod(generator.choice(shape[0] * shape[1], number, replace=False), shape[1])
    return columns, rows


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("number", [3, 150])
def test_as_served(folder: Path, tmp_path: Path, case: str, number: int) -> None:
    name, more = CASES[case]
    values = {"model_dir": str(folder / f"{name}.keras"), "source1_il": str(folder / "image.tif"), **more}
    if name == "two_resolutions":
        values |= {
            "source1_placeholder": "fine",
            "source2_il": str(folder / "coarse.tif"),
            "source2_placeholder": "coarse",
        }
    serving.serve(**values, out=str(tmp_path / "out.tif"))
    served = serving.read(tmp_path / "out.tif")
    columns, rows = places(served.shape, number)
    found, empty = single(values, columns, rows)
    np.testing.assert_allclose(found, served[rows, columns], rtol=1e-4, atol=1e-5)
    assert not empty.any()


@pytest.mark.parametrize("more", [PATCHES, TILES])
def test_where_there_is_no_data(folder: Path, tmp_path: Path, more: dict[str, Any]) -> None:
    values = {"model_dir": str(folder / "valid.keras"), "source1_il": str(folder / "holes.tif"), **more}
    serving.serve(**values, out=str(tmp_path / "out.tif"), output_bv=-77)
    served = serving.read(tmp_path / "out.tif")
    columns, rows = places(served.shape, 150)
    found, empty = single(values, columns, rows)
    expected = served[rows, columns]
    np.testing.assert_array_equal(empty, (expected == -77).all(axis=1))
    assert 0 < empty.sum() < len(empty)
    np.testing.assert_allclose(found[~empty], expected[~empty], rtol=1e-4, atol=1e-5)


def test_only_what_lies_around_is_computed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two corners of the image, not the square that holds both."""
    from otbtf_qgis.core.serving.tilecomputer import TileComputer

    computed: list[int] = []
    plain = TileComputer.values

    def counting(self: Any, box: Any, tile: Any) -> np.ndarray:
        computed.append(box.area)
        return plain(self, box, tile)

    monkeypatch.setattr(TileComputer, "values", counting)
    values = {"model_dir": str(folder / "unet.keras"), "source1_il": str(folder / "image.tif"), "optim_tilesizex": 64}
    single(values, np.array([0, 1, 63, 62]), np.array([0, 1, 58, 59]))
    assert computed[-2:] == [4, 4]
