"""The runs that a campaign interrupts, started as a user starts them: with qgis_process."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import qgis_process
import scene
import serving

MARK = "OTBTF_CAMPAIGN"
"""Names the run in the environment of all its processes, of those too that lost their parent."""


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Attributes:
        name: what the report calls it.
        algorithm: its id.
        engine: whether it works in an engine process.
        parameters: from the inputs' paths and the folder for outputs.
        kept: what an interrupted run leaves on purpose, and the next one takes up and removes.
    """

    name: str
    algorithm: str
    engine: bool
    parameters: Callable[[Mapping[str, Any], Path], dict[str, Any]]
    kept: tuple[str, ...] = ()


def _serve(extension: str) -> Callable[[Mapping[str, Any], Path], dict[str, Any]]:
    given = {name.upper(): value for name, value in serving.SLOW.items()}
    return lambda made, out: {
        **given,
        "SOURCE1_IL": made["strip"],
        "MODEL_DIR": made["slow"],
        "OUT": out / f"map.{extension}",
        "OUT_PIXELTYPE": "uint8",
    }


def _train(made: Mapping[str, Any], out: Path) -> dict[str, Any]:
    return {
        "TRAINING_SOURCE1_IL": made["patches"],
        "TRAINING_SOURCE2_IL": made["labels"],
        "MODEL_DIR": made["network"],
        "TRAINING_BATCHSIZE": 10,
        "TRAINING_EPOCHS": 3,
        "MODEL_SAVETO": out / "model",
        "OUT_KERAS": out / "net.keras",
        "OUT_HISTORY": out / "history.csv",
        "OUT_REPORT": out / "report.html",
    }


def _extract(made: Mapping[str, Any], out: Path) -> dict[str, Any]:
    return {
        "SOURCE1_IL": made["image"],
        "SOURCE1_PATCHSIZEX": scene.SIDE,
        "SOURCE1_PATCHSIZEY": scene.SIDE,
        "SOURCE1_OUT": out / "patches.tif",
        "OUTLABELS": out / "labels.tif",
        "OUT_TFRECORDS": out / "records",
        "VEC": made["points"],
        "FIELD": "class",
    }


KINDS = (
    Kind("serve to GeoTIFF", "otbtf:tensorflowmodelserve", True, _serve("tif")),
    Kind("serve to PNG", "otbtf:tensorflowmodelserve", True, _serve("png")),  # copied from a temporary file
    Kind("train", "otbtf:tensorflowmodeltrain", True, _train, kept=("model.checkpoints",)),
    Kind("extract", "otbtf:patchesextraction", False, _extract),
)


@dataclass
class Run:
    """One qgis_process at work.

    Attributes:
        folder: holds `out`, the folder of outputs, and `tmp`, that of temporary files.
        process: qgis_process.
    """

    kind: Kind
    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def out(self) -> Path:
        """The folder of outputs."""
        return self.folder / "out"

    @property
    def tmp(self) -> Path:
        """The folder of temporary files."""
        return self.folder / "tmp"

    @property
    def log(self) -> str:
        """The last words of qgis_process."""
        return (self.folder / "log").read_text(errors="replace")[-600:]

    def start(self, made: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """Start qgis_process."""
        for needed in (self.out, self.tmp, self.folder / "run"):
            needed.mkdir(parents=True, exist_ok=True)
        (self.folder / "run").chmod(0o700)
        line = [qgis_process.program(), "run", self.kind.algorithm, "--"]
        line += [f"{key}={value}" for key, value in self.kind.parameters(made, self.out).items()]
        own = {MARK: self.mark, "TMPDIR": str(self.tmp), "XDG_RUNTIME_DIR": str(self.folder / "run")}
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                line, env={**environment, **own}, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def processes(self) -> list[psutil.Process]:
        """Return all living processes of this run."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def engines(self) -> list[psutil.Process]:
        """Return the engine processes."""
        return [process for process in self.processes() if process.pid != self.process.pid]

    def is_writing(self) -> bool:
        """Return whether there is an unfinished output."""
        return any(name.startswith(".otbtf-") for name in os.listdir(self.out))

    def left_over(self, known: Sequence[str]) -> list[str]:
        """Return what lies in the folders and is neither an output nor QGIS's own."""
        found = [name for name in os.listdir(self.out) if name not in known]
        # QGIS cannot remove its folders when it is killed.
        return sorted(found + [f"tmp/{name}" for name in os.listdir(self.tmp) if "otbtf" in name.lower()])

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and process.environ().get(MARK) == self.mark
        except psutil.Error:
            return False
