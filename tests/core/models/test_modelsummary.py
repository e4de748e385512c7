"""What the sidecar of a model, or another program's item, says of inputs and outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otbtf_qgis.core.errors import ModelError
from otbtf_qgis.core.models.modelsummary import item_summary, sidecar_summary


def tensor(shape: list[int], data_type: str, order: list[str] | None = None) -> dict[str, Any]:
    order = order or ["batch", "height", "width", "channel"][: len(shape)]
    return {"shape": shape, "dim_order": order, "data_type": data_type}


def geometry(output: str, inputs: list[str], bands: list[int]) -> dict[str, Any]:
    ones = ["1"] * len(inputs)
    return {"output": output, "inputs": inputs, "bands": bands, "ratios": ones, "offsets": [0] * len(inputs)}


ITEM = {
    "properties": {
        "mlm:framework": "PyTorch",
        "mlm:input": [
            {"name": "xs", "bands": ["red", {"name": "nir"}], "input": tensor([-1, -1, -1, 2], "float32")},
            {"name": "sar", "bands": [], "input": tensor([-1, -1, -1, 1], "cfloat32")},
            {"name": "training", "bands": [], "input": tensor([1], "other", ["value"])},
            {"name": "any", "input": tensor([-1], "float32", ["value"])},
        ],
        "mlm:output": [
            {"name": "map", "result": tensor([-1, -1, -1], "uint8")},
            {"name": "loss", "result": tensor([1], "float32", ["value"])},
            {"name": "a", "result": tensor([-1, -1, -1, 5], "float32")},
        ],
        "otbtf:geometry": [geometry("map", ["xs"], [2])],
    }
}


def written(folder: Path, item: Any) -> Path:
    path = folder / "item.json"
    path.write_text(json.dumps(item), encoding="utf-8")
    return path


def test_inputs_and_outputs(tmp_path: Path) -> None:
    summary = item_summary(written(tmp_path, ITEM))
    assert summary.kind == "PyTorch"
    assert [(info.name, info.shape, info.dtype) for info in summary.inputs] == [
        ("xs", (None, None, None, 2), "float32"),
        ("sar", (None, None, None, 1), "complex64"),
        ("training", (), ""),
        ("any", None, "float32"),
    ]
    assert summary.bands == {"xs": ("red", "nir")}
    assert [info.name for info in summary.image_inputs("map")] == ["xs"]
    assert [info.name for info in summary.image_inputs("a")] == ["xs", "sar", "any"]


def test_the_output_that_is_written(tmp_path: Path) -> None:
    summary = item_summary(written(tmp_path, ITEM))
    assert (summary.output(""), summary.output("map a")) == ("a", "map")  # as serving chooses, without a loss
    ITEM_WITH = json.loads(json.dumps(ITEM))
    ITEM_WITH["properties"]["otbtf:serving"] = {"output": "map"}
    assert item_summary(written(tmp_path, ITEM_WITH)).output("") == "map"


@pytest.mark.parametrize("rest", [{}, {"mlm:input": [{"name": "x"}], "mlm:output": [{"name": "y"}]}])
def test_items_of_other_programs_may_say_less(tmp_path: Path, rest: dict[str, Any]) -> None:
    summary = item_summary(written(tmp_path, {"properties": rest}))
    assert [info.shape for info in (*summary.inputs, *summary.outputs)] == [None] * 2 * bool(rest)


@pytest.mark.parametrize(
    "properties",
    [{"mlm:input": 1}, {"mlm:input": [{"input": {}}]}, {"mlm:output": [{"name": "y", "result": {"shape": ["a"]}}]}],
)
def test_a_damaged_item_is_refused(tmp_path: Path, properties: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        item_summary(written(tmp_path, {"properties": properties}))


def test_a_model_without_sidecar_has_none(tmp_path: Path) -> None:
    (tmp_path / "net.keras").write_bytes(b"PK")
    assert sidecar_summary(str(tmp_path / "net.keras"), ["serve"]) is None
