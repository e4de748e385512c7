"""The files of a training while they are made."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.progress import Part, Progress
from ..errors import field
from ..files.staging import Staging
from ..machine.devices import Scope
from ..phrases import Phrase
from ..probing.exportrun import check_replaceable
from .callback import FITTED
from .trainedmodel import FinishedModel

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


class TrainingFiles:
    """The outputs that are asked for, made beside their places, and moved there when all of them are whole."""

    def __init__(
        self, parameters: TensorflowModelTrain, stack: ExitStack, progress: Progress, saved_elsewhere: bool = False
    ) -> None:
        """Check the paths and make room for the files, until `stack` is left.

        Args:
            parameters: name them.
            stack: is left when they are moved to their places, or removed.
            progress: is told of what is made.
            saved_elsewhere: whether the trained model is saved in another way; the checkpoints keep the best one, too.

        Raises:
            ParameterError, RasterError: a file cannot be written.
        """
        self._progress = progress
        self._staged: dict[str, Staging] = {}
        if parameters.model_saveto:
            check_replaceable(Path(parameters.model_saveto), field("model_saveto"))
            folder = str(Path(parameters.model_saveto).absolute())
            self._staged["model.saveto"] = stack.enter_context(Staging(folder, progress, field("model_saveto")))
        files = {
            "out.keras": parameters.out_keras,
            "out.history": parameters.out_history,
            "out.report": parameters.out_report,
        }
        for key, path in files.items():
            if path:
                place = Staging.of_file(str(Path(path).absolute()), progress, field(key.replace(".", "_")))
                self._staged[key] = stack.enter_context(place)
        self._scratch = None
        if "model.saveto" in self._staged and "out.keras" not in self._staged:
            self._scratch = self._staged["model.saveto"].folder / "spare"
        if not (saved_elsewhere or parameters.checkpoints or self.writes_model):
            progress.warning(
                Phrase(
                    "Neither {model_saveto} nor {out_keras} is given: the trained model is not kept.",
                    model_saveto=field("model_saveto"),
                    out_keras=field("out_keras"),
                )
            )

    @property
    def writes_model(self) -> bool:
        """Whether the model is written at all."""
        return bool(self._staged.keys() & {"model.saveto", "out.keras"})

    def write_model(self, finished: FinishedModel, scope: Scope) -> None:
        """Write the trained model in the forms that are asked for.

        Raises:
            ModelError, TrainingError: it cannot be written.
        """
        if not self.writes_model:
            return
        file = self._staged["out.keras"].path if "out.keras" in self._staged else None
        if file is None:
            assert self._scratch is not None  # nosec B101 (tells mypy)
            self._scratch.mkdir()
            file = self._scratch / "model.keras"
        finished.save(file)
        described = finished.describe(file, scope, Part(self._progress, FITTED, 1.0))
        if "model.saveto" in self._staged:
            finished.export(self._staged["model.saveto"].path, file, described, scope, self._progress)

    def write_text(self, key: str, text: str) -> None:
        """Write the output `key`, if it is asked for."""
        if key in self._staged:
            self._staged[key].write_text(text)

    def wants(self, key: str) -> bool:
        """Return whether the output `key` is asked for."""
        return key in self._staged

    def path(self, key: str) -> Path:
        """Return where the output `key` is made."""
        return self._staged[key].path

    def commit(self) -> dict[str, Any]:
        """Move all to their places, and return the paths by key.

        Raises:
            RasterError: one cannot be moved.
        """
        if self._scratch is not None and self._scratch.is_dir():
            import shutil

            shutil.rmtree(self._scratch)
        for staging in self._staged.values():
            staging.commit()
        return {key: str(staging.final) for key, staging in self._staged.items()}
