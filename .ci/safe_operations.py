"""Write core/models/safe_operations.txt from TensorFlow's own registry of operations.

    PYTHON_WITH_TENSORFLOW .ci/safe_operations.py

TensorFlow generates one Python module per family of operations (gen_math_ops, ...). The families
named here hold functions of tensors and of variables in memory; every operation of theirs was read,
line by line, and those that do more are named in REFUSED with what they do. All other families
(datasets, readers, summaries' files, script, RPC, TPU, collectives, debugging, ...) stay out, as do
operations without a public module (internal, XLA, those of TensorFlow's own tests). After a change of
TensorFlow's version, read the difference that this makes before it is committed.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import tensorflow
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

TARGET = Path(__file__).resolve().parents[1] / "core" / "models" / "safe_operations.txt"

FAMILIES = (
    "array audio bitwise candidate_sampling clustering control_flow count ctc cudnn_rnn data_flow functional image "
    "linalg list logging lookup manip map math nn optional parsing ragged_array ragged_conversion ragged_math "
    "random_index_shuffle random resource_variable rnn set sparse special_math spectral state stateful_random "
    "stateless_random stateless_random_ops_v2 string training uniform_quant"
).split()

REFUSED = {
    "Abort": "ends the process",
    "DeleteSessionTensor": "reaches tensors of other sessions",
    "FixedUnigramCandidateSampler": "reads its attribute vocab_file",
    "GetSessionHandle": "reaches tensors of other sessions",
    "GetSessionHandleV2": "reaches tensors of other sessions",
    "GetSessionTensor": "reaches tensors of other sessions",
    "ImmutableConst": "maps a file into memory",
    "InitializeTableFromTextFile": "reads a file",
    "InitializeTableFromTextFileV2": "reads a file",
    "RecordInput": "reads files",
    "RemoteCall": "runs functions on other devices and machines",
}

ADDED = {
    "IsResourceHandleRefCounting": "asks about a variable's handle",
    "ShardedFilename": "only joins strings",
    "ShardedFilespec": "only joins strings",
}


def main() -> None:
    """Write the list."""
    lines = [
        "# Operations that touch tensors and variables in memory only: no file, no network, no other code.",
        f"# Made by .ci/safe_operations.py from the registry of TensorFlow {tensorflow.__version__}; change it there.",
        *sorted(safe_operations()),
    ]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines) - 2} of {len(registry())} operations: {TARGET}")


def registry() -> dict[str, op_def_pb2.OpDef]:
    """Return all operations that this TensorFlow knows, by name."""
    operations = op_def_pb2.OpList()
    operations.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    return {operation.name: operation for operation in operations.op}


def safe_operations() -> set[str]:
    """Return the operations of the families, with what is added and without what is refused."""
    found = set(ADDED)
    for family in FAMILIES:
        found |= operations_of(family) & registry().keys()
    for name in REFUSED:
        found.remove(name)
    return found


def operations_of(family: str) -> set[str]:
    """Return the operations that the generated module of a family calls."""
    name = family if family.endswith("_v2") else f"{family}_ops"
    module = importlib.import_module(f"tensorflow.python.ops.gen_{name}")
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    found = set(re.findall(r'_op_def_library\._apply_op_helper\(\s*"(\w+)"', source))
    if not found:
        raise SystemExit(f"No operation found in {module.__file__}: TensorFlow writes these modules differently now.")
    return found


if __name__ == "__main__":
    main()
