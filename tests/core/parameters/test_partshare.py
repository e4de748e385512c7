"""Which parts a run computes: given, or told by a job."""

from __future__ import annotations

import pytest

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.operations.tensorflowmodelserve import TensorflowModelServe
from otbtf_qgis.core.parameters.parsing import parse
from otbtf_qgis.core.parameters.partshare import PartShare, part_share

SERVED = {"source1.il": ["image.tif"], "model.dir": "model.keras"}


def slurm(task: int, first: int, tasks: int, **more: int) -> dict[str, str]:
    numbers = {"ID": task, "MIN": first, "COUNT": tasks, **more}
    return {f"SLURM_ARRAY_TASK_{name}": str(number) for name, number in numbers.items()}


@pytest.mark.parametrize(
    ("text", "environment", "share"),
    [
        ("", {}, PartShare(0, 1)),
        ("3/64", {}, PartShare(3, 64)),
        (" 0 / 1 ", slurm(5, 5, 9), PartShare(0, 1)),
        ("auto", slurm(0, 0, 64), PartShare(0, 64)),
        ("auto", slurm(64, 1, 64), PartShare(63, 64)),
        ("auto", slurm(14, 10, 3, STEP=2), PartShare(2, 3)),
        ("auto", slurm(17, 17, 1), PartShare(0, 1)),  # one task again, alone: what is missing
        ("auto/64", slurm(17, 17, 1), PartShare(17, 64)),
        ("auto/64", {"JOB_COMPLETION_INDEX": "63"}, PartShare(63, 64)),
    ],
)
def test_shares(text: str, environment: dict[str, str], share: PartShare) -> None:
    assert part_share(text, environment) == share


def test_parts_of_a_share() -> None:
    assert list(PartShare(3, 64).of(140)) == [3, 67, 131]
    assert list(PartShare(3, 64).of(3)) == []
    assert sorted(number for index in range(7) for number in PartShare(index, 7).of(30)) == list(range(30))


@pytest.mark.parametrize(
    ("text", "environment", "told"),
    [
        ("64/64", {}, "indices count from 0"),
        ("0/0", {}, "the count is 0: it must be at least 1"),
        ("auto", slurm(0, 0, 0), "the count is 0"),
        ("1", {}, "must be INDEX/COUNT"),
        ("-1/4", {}, "must be INDEX/COUNT"),
        ("auto", {}, "SLURM_ARRAY_TASK_ID"),
        ("auto", {"JOB_COMPLETION_INDEX": "3"}, "as auto/64"),
        ("auto/64", {}, "JOB_COMPLETION_INDEX"),
        ("auto", slurm(9, 1, 3), "the index 8 .SLURM_ARRAY_TASK_ID. is not among 0 to 2"),
        ("auto/64", slurm(64, 1, 64), "Number the tasks of the job 0 to 63"),
        ("auto/64", {"JOB_COMPLETION_INDEX": "x"}, "must be a whole number"),
    ],
)
def test_refused(text: str, environment: dict[str, str], told: str) -> None:
    with pytest.raises(ParameterError, match=told) as caught:
        part_share(text, environment)
    assert "PART" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"part": "0/2", "out": "map.tif"}, "OUT is .*map.tif: with PART it must be a .vrt"),
        ({"part": "half", "out": "map.vrt"}, "PART is 'half'"),
        ({"part": "0/2", "out": "/vsimem/map.vrt"}, "PART is given, but OUT is /vsimem/map.vrt"),
        ({"resume": True, "out": "/vsis3/bucket/map.tif"}, "RESUME is given, but OUT"),
        ({"resume": True, "out": "s3://bucket/map.tif"}, "no file on a disk"),
        ({"resume": True, "out": "TEMPORARY_OUTPUT"}, "temporary output of QGIS"),
        ({"resume": True, "out": "/tmp/processing_Ab3xYz/0f0f/OUT.tif"}, "temporary output of QGIS"),
    ],
)
def test_outputs_that_are_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        parse(TensorflowModelServe, {**SERVED, **given})


def test_outputs_that_are_taken() -> None:
    for given in ({"part": "auto", "out": "map.VRT"}, {"resume": True, "out": "map.tif"}, {"out": "/vsimem/map.tif"}):
        parse(TensorflowModelServe, {**SERVED, **given})
