"""Checkpoints: the state of a training at the end of each epoch, from which a stopped run resumes exactly."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.archives import DAMAGED, check_sizes
from ..base.jsonvalues import Json, parse
from ..base.librarymessages import telling_line
from ..base.ownership import remove_abandoned
from ..base.progress import Progress
from ..base.temporaries import remove
from ..errors import ParameterError, RasterError, TrainingError, as_key, field, worded
from ..files.staging import Staging
from ..operations.tensorflowmodeltrain import TensorflowModelTrain
from ..parameters.mentions import with_keys
from ..phrases import Phrase

LAST, BEST = "checkpoint.npz", "best.keras"


@dataclass
class TrainingState:
    """Where a training is.

    Attributes:
        epoch: number of epochs that are done.
        best: the smallest loss (of validation, where there is one) so far.
        best_epoch: when it was reached, from 1 on; 0 before the first epoch.
        lowered: the epoch in which the plateau schedule lowered the learning rate last.
        history: a row of numbers by name for each epoch.
    """

    epoch: int = 0
    best: float = float("inf")
    best_epoch: int = 0
    lowered: int = 0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)


class Checkpoints:
    """A folder of one checkpoint, which each epoch replaces, and of the best model so far.

    Attributes:
        folder: None where nothing is kept.
    """

    def __init__(
        self, folder: Path | None, identity: Mapping[str, Any], progress: Progress, writing: bool = True
    ) -> None:
        """Make the folder.

        Args:
            folder: where to keep the state; None for nowhere.
            identity: what a resumed run must have in common with the stopped one, by name; a parameter's name is its
                mention, by `errors.field`.
            progress: is told of files that are being written.
            writing: False for a worker that leaves writing to another.

        Raises:
            ParameterError: the folder cannot be written to.
        """
        self.folder, self._identity, self._progress = folder, dict(identity), progress
        self._target = folder if writing else None
        if self._target is None:
            return
        folder = self._target
        try:
            folder.mkdir(exist_ok=True)
            remove_abandoned(folder)  # by a run that was killed while it wrote
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise ParameterError(
                "{checkpoints} is {folder}, which cannot be written to: {reason}. Name a folder inside an existing "
                "folder of your own.",
                checkpoints=field("checkpoints"),
                folder=folder,
                reason=error.strerror,
            ) from error

    @property
    def best(self) -> Path | None:
        """The file of the best model so far; None where there is none."""
        return self.folder / BEST if self.folder and (self.folder / BEST).is_file() else None

    def read(self) -> tuple[TrainingState, list[np.ndarray]] | None:
        """Return the last checkpoint: the state, and the values of all variables; None where there is none.

        Raises:
            ParameterError: it is damaged, or of a run with other parameters.
        """
        path = self.folder / LAST if self.folder else None
        if path is None or not path.is_file():
            return None
        try:
            with zipfile.ZipFile(path) as archive:
                check_sizes(archive)
            with np.load(path, allow_pickle=False) as content:
                described = parse(str(content["state"]), infinite=True)
                values = [content[f"v{number}"] for number in range(described["variables"].whole(0, 1 << 20))]
            state, identity = _state(described["state"]), dict(described["identity"].fields())
        except (*DAMAGED, ValueError, KeyError, MemoryError) as error:
            raise ParameterError(
                "The checkpoint {path} is damaged ({error}): delete it, or set {resume} to off to train again.",
                path=path,
                error=error,
                resume=field("resume"),
            ) from error
        for name, value in self._identity.items():
            was = identity[_stored(name)].value if _stored(name) in identity else None
            if was != value:
                raise ParameterError(
                    "{resume} is on, but the checkpoint {path} comes from a run in which {name} was {was}, not "
                    "{value}: restore this value, or set {resume} to off to train again from the beginning.",
                    resume=field("resume"),
                    path=path,
                    name=name,
                    was=was,
                    value=value,
                )
        return state, values

    def write(self, state: TrainingState, variables: Sequence[Any]) -> None:
        """Replace the checkpoint, in one step.

        Args:
            state: where the training is.
            variables: Keras variables of the model and the optimizer.

        Raises:
            TrainingError: it cannot be written; the older one is whole.
        """
        if self._target is None:
            return
        identity = {_stored(name): value for name, value in self._identity.items()}
        described = {"identity": identity, "state": dataclasses.asdict(state), "variables": len(variables)}
        arrays = {f"v{number}": np.asarray(variable) for number, variable in enumerate(variables)}
        text = np.array(json.dumps(described))
        self._replace(LAST, state, lambda path: np.savez(path, state=text, **arrays))

    def write_best(self, state: TrainingState, save: Callable[[Path], None]) -> None:
        """Replace the best model, in one step.

        Args:
            state: where the training is.
            save: writes the model into a file.

        Raises:
            TrainingError: it cannot be written; the older one is whole.
        """
        if self._target is not None:
            self._replace(BEST, state, save)

    def clear(self) -> None:
        """Remove the files of older runs, for a training from the beginning."""
        if self._target is not None:
            for name in (LAST, BEST):
                (self._target / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder: the training has come to its end."""
        if self._target is not None:
            remove(str(self._target))

    def _replace(self, name: str, state: TrainingState, save: Callable[[Path], None]) -> None:
        assert self._target is not None  # nosec B101 (tells mypy)
        try:
            with Staging(str(self._target / name), self._progress) as staging:
                save(staging.path)
                staging.commit()
        except (OSError, RuntimeError, ParameterError, RasterError) as error:  # h5py has its own words for a full disk
            raise TrainingError(self._failed(name, state, error)) from error

    def _failed(self, name: str, state: TrainingState, error: Exception) -> str:
        assert self._target is not None  # nosec B101 (tells mypy)
        reason = getattr(error, "strerror", None) or telling_line(error)
        free = shutil.disk_usage(self._target).free / 1e6
        older = (
            Phrase("The checkpoint of epoch {epoch} is intact", epoch=state.epoch - 1)
            if state.epoch > 1
            else Phrase("It is the first one")
        )
        return Phrase(
            "The checkpoint {target} of epoch {epoch} cannot be written: {reason} ({free:.0f} MB are free). "
            "{older}: free disk space, then run again with {resume} on.",
            target=self._target / name,
            epoch=state.epoch,
            reason=reason,
            free=free,
            older=older,
            resume=field("resume"),
        )


def _stored(name: str) -> str:
    """Return the name of a part of the identity in the file, where a parameter has its key."""
    return worded(with_keys(name, TensorflowModelTrain), as_key)


def checkpoint_folder(parameters: TensorflowModelTrain) -> Path | None:
    """Return the folder of the checkpoints: as given, else beside the trained model; None if neither is named."""
    if parameters.checkpoints:
        return Path(parameters.checkpoints)
    named = parameters.model_saveto or parameters.out_keras
    place = Path(named or "").absolute()
    return place.with_name(f"{place.name}.checkpoints") if named else None


def _state(described: Json) -> TrainingState:
    """Return the state that was written; a row of the history is numbers by name."""
    counts = (described[name].whole(0) for name in ("epoch", "best_epoch", "lowered"))
    history = [{name: item.number() for name, item in row.fields()} for row in described["history"].items()]
    epoch, best_epoch, lowered = counts
    return TrainingState(epoch, described["best"].number(), best_epoch, lowered, history)
