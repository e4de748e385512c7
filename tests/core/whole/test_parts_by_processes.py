"""Parts of one run by several processes at the same time: one plan, one virtual raster, equal to the whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving

pytest.importorskip("tensorflow")

from part_processes import ServingProcess, wait_for

TIMES = 10
Pair = tuple[ServingProcess, ServingProcess]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with ServingProcess() as one, ServingProcess() as two:
        yield one, two


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("inputs")
    image = serving.write(folder / "image.tif", serving.noise(70, 90, 2, "uint16"))
    tiles = {
        "optim.tilesizex": 16,
        "optim.tilesizey": 16,
    }  # parts begin at multiples of it: values are the same to the bit
    model = serving.convolutions(folder / "model", 2)
    return {"source1.il": [image], "model.dir": model, "padding": "reflect", **tiles}


def together(pair: Pair, values: dict[str, Any], out: Path, **more: Any) -> list[dict[str, Any]]:
    """Compute both halves of an output at the same moment."""
    for number, process in enumerate(pair):
        process.start(values, out=str(out), part=f"{number}/2", **more)
    return [process.answer() for process in pair]


def test_two_at_once(pair: Pair, values: dict[str, Any], tmp_path: Path) -> None:
    """Whoever is first makes the plan, whoever is last the virtual raster: no run sees another plan, and none waits."""
    whole = serving.read(pair[0].results(values, out=str(tmp_path / "whole.tif"))["out"])
    texts = set()
    for time in range(TIMES):
        folder = tmp_path / f"{time}"
        folder.mkdir()
        found = together(pair, values, folder / "map.vrt")
        assert not any("error" in each for each in found), found
        assert [each["parts.missing"] for each in found if each["out"]].count(0) >= 1, found
        assert sorted(path.name for path in folder.iterdir()) == ["map.parts", "map.vrt"]
        names = sorted(path.name for path in (folder / "map.parts").iterdir())
        assert names == ["part-00000.json", "part-00000.tif", "part-00001.json", "part-00001.tif", "plan.json"]
        texts.add((folder / "map.vrt").read_text())
        np.testing.assert_array_equal(serving.read(folder / "map.vrt"), whole)
    assert len(texts) == 1


def test_both_are_last(pair: Pair, values: dict[str, Any], tmp_path: Path) -> None:
    """Where both see all notes, both write the virtual raster, with the same bytes."""
    out = tmp_path / "map.vrt"
    together(pair, values, out)
    text = out.read_bytes()
    for _ in range(20):
        out.unlink()
        (tmp_path / "map.vrt.aux.xml").write_text("<PAMDataset/>")  # of an older output: both remove it
        found = together(pair, values, out)
        assert [(each["out"], each["parts.done"]) for each in found] == [(str(out), 2)] * 2
        assert out.read_bytes() == text
        assert sorted(path.name for path in tmp_path.iterdir()) == ["map.parts", "map.vrt"]


def test_other_parameters_at_once(pair: Pair, values: dict[str, Any], tmp_path: Path) -> None:
    """One of them makes the plan; the other is told what differs."""
    for time in range(5):
        out = tmp_path / f"{time}.vrt"
        for number, process in enumerate(pair):
            process.start(values, out=str(out), part=f"{number}/2", **{"out.nodata": number})
        answers = [process.answer() for process in pair]
        errors = [each["error"] for each in answers if "error" in each]
        assert len(errors) == 1 and "OUT_NODATA (there " in errors[0], answers


@pytest.fixture
def slow(tmp_path: Path) -> dict[str, Any]:
    image = serving.write(tmp_path / "image.tif", serving.noise(32, 64, 1, "float32"))
    tiles = {name.replace("_", ".", 1): value for name, value in serving.SLOW.items()}
    return {"source1.il": [image], "model.dir": serving.slow(tmp_path / "slow", 12), **tiles}


def test_killed_in_the_middle(pair: Pair, slow: dict[str, Any], tmp_path: Path) -> None:
    """What is done is kept, what was begun is computed again, and what the dead process left is removed."""
    out, parts = tmp_path / "map.vrt", tmp_path / "map.parts"
    with ServingProcess() as dying:
        dying.start(slow, out=str(out), part="0/4")
        wait_for(parts, "plan.json")
        assert pair[0].results(slow, out=str(out), part="1/4")["parts.done"] >= 1
        dying.start(slow, out=str(out), resume=True)
        wait_for(parts, "part-00000.json")
        wait_for(parts, ".otbtf-*/part-*.tif")
        dying.kill()
    done = {path: path.stat().st_mtime_ns for path in parts.glob("part-*.tif")}
    notes = sorted(parts.glob("part-*.json"))
    assert 0 < len(notes) < 8 and serving.hidden(parts)
    found = pair[0].results(slow, out=str(out), resume=True)
    assert found["parts.missing"] == 0
    assert serving.hidden(parts) == serving.hidden(tmp_path) == []
    for note in notes:
        file = note.with_suffix(".tif")
        assert file.stat().st_mtime_ns == done[file]
    np.testing.assert_array_equal(serving.read(out), serving.read(slow["source1.il"][0]))


def test_the_staging_of_another_run_is_left_alone(pair: Pair, slow: dict[str, Any], tmp_path: Path) -> None:
    """A run that works in the same folder computes its parts to the end."""
    out, parts = tmp_path / "map.vrt", tmp_path / "map.parts"
    pair[0].start(slow, out=str(out), part="0/2")
    staging = wait_for(parts, ".otbtf-*/part-*.tif").parent
    other = pair[1].results(slow, out=str(out), part="1/2")
    assert "error" not in other
    assert "error" not in pair[0].answer()
    assert not staging.exists()
    np.testing.assert_array_equal(serving.read(out), serving.read(slow["source1.il"][0]))


def test_the_folder_is_replaced_meanwhile(pair: Pair, slow: dict[str, Any], tmp_path: Path) -> None:
    """A run that is late leaves nothing among the parts of another plan."""
    out, parts = tmp_path / "map.vrt", tmp_path / "map.parts"
    pair[0].start(slow, out=str(out), part="0/2")
    wait_for(parts, ".otbtf-*/part-*.tif")
    plan = (parts / "plan.json").read_text()
    shutil.copy(parts / "plan.json", tmp_path / "copy")
    (tmp_path / "copy").write_text(plan.replace('"alone": false', '"alone": true'))
    (tmp_path / "copy").replace(parts / "plan.json")
    assert "was removed or replaced" in pair[0].answer()["error"]
    assert sorted(path.name for path in parts.iterdir()) == ["plan.json"]


def test_the_index_of_a_job(pair: Pair, values: dict[str, Any], tmp_path: Path) -> None:
    """As SLURM and Kubernetes start it."""
    out = str(tmp_path / "map.vrt")
    array = {"SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_MIN": "7", "SLURM_ARRAY_TASK_COUNT": "2"}
    assert pair[0].results(values, out=out, part="auto", environment=array)["out"] is None
    assert pair[1].results(values, out=out, part="auto/2", environment={"JOB_COMPLETION_INDEX": "0"})["out"] == out
    notes = sorted(path.stem for path in (tmp_path / "map.parts").glob("part-*.json"))
    assert notes == ["part-00000", "part-00001"]
