"""PatchesMosaic: patches laid out as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import noise, read, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.patches.contactsheet import choose

PIXELS = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def mosaic(folder: Path, patches: np.ndarray, **values: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """Show patches of shape (n, height, width, bands)."""
    strip = patches.reshape(-1, *patches.shape[2:])
    source = write(folder / "patches.tif", strip, PIXELS, None)
    given = {"in": source, "patchsizey": patches.shape[1], "out": str(folder / "m.png"), **values}
    results = registry.run("PatchesMosaic", given)
    return read(folder / "m.png"), results


def test_patches_lie_in_rows_with_labels_below(tmp_path: Path) -> None:
    patches = np.repeat(np.arange(6, dtype="uint8") * 51, 12).reshape(6, 3, 4, 1)
    labels = write(tmp_path / "labels.tif", np.array([1, 0, 1, 0, 1, 0], "uint8").reshape(6, 1, 1), PIXELS, None)
    picture, results = mosaic(tmp_path, patches, zoom=2, columns=3)
    assert results["patches"] == 6
    assert picture.shape == (2 * (6 + 1) + 1, 3 * (8 + 1) + 1, 3)
    assert [int(picture[4 + 7 * (n // 3), 5 + 9 * (n % 3), 0]) for n in range(6)] == sorted(
        int(picture[4 + 7 * (n // 3), 5 + 9 * (n % 3), 0]) for n in range(6)
    )
    picture, _ = mosaic(tmp_path, patches, zoom=2, columns=3, labels=labels)
    assert picture.shape[0] == 2 * (6 + 1 + 7) + 1
    strip = picture[8:13, 2:5, 0]
    assert (strip == 255).astype(int).tolist() == [[1, 1, 1], [1, 0, 1], [1, 0, 1], [1, 0, 1], [1, 1, 1]]  # a 0


def test_bands_are_chosen_and_the_size_comes_from_the_description(tmp_path: Path) -> None:
    patches = noise(20, 4, 5).reshape(5, 4, 4, 5)
    picture, _ = mosaic(tmp_path, patches, bands="5 1 2", zoom=1, patchsizey=None, columns=5)
    assert picture.shape == (6, 26, 3)
    with pytest.raises(OtbtfError, match="BANDS is '6', but must be one or three numbers from 1 to 5"):
        mosaic(tmp_path, patches, bands="6")
    with pytest.raises(OtbtfError, match="not a multiple of the patch height 3"):
        mosaic(tmp_path, patches, patchsizey=3)
    labels = write(tmp_path / "labels.tif", noise(4, 1), PIXELS, None)
    with pytest.raises(OtbtfError, match="holds 1 x 4 labels .* but there are 5 patches"):
        mosaic(tmp_path, patches, labels=labels)


def test_as_many_of_each_label_as_there_can_be() -> None:
    labels = np.repeat([3, 1, 2], (50, 2, 50))
    chosen = choose(labels, 102, 12, None)
    assert labels[chosen].tolist() == [1] * 2 + [2] * 5 + [3] * 5
    assert len(set(choose(labels, 102, 12, 4).tolist())) == 12
    assert choose(None, 10, 4, None).tolist() == [0, 2, 5, 7]
