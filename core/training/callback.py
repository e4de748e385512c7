"""The callback of a training with Keras: progress, scores, checkpoints, and when to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..accuracy.quantitynames import readable
from ..base.progress import Progress
from ..errors import TrainingError, field
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .checkpoints import Checkpoints, TrainingState
from .samplebatches import Feed
from .scoring import Scores, log_scores, named_numbers

_LOG_INTERVAL = 3.0  # seconds between two lines about batches
FITTED = 0.95  # of the progress; the rest is for scores and files
_PLATEAU = 5  # epochs without a better loss after which the plateau schedule acts
_FACTOR = 0.5  # by which it then multiplies the learning rate


@dataclass(frozen=True)
class TrainingRules:
    """Rules that end or change a running training.

    Attributes:
        epochs: altogether.
        seed: of the first epoch's order; each further epoch adds 1.
        validated: whether there are validation data, whose loss then decides.
        patience: epochs without a better loss after which training ends; 0 for never.
        plateau: whether the learning rate is halved when the loss does not improve.
        score_every: epochs between two scorings, the last one scored too; 0 for none while training.
    """

    epochs: int
    seed: int
    validated: bool
    patience: int
    plateau: bool
    score_every: int

    @property
    def monitor(self) -> str:
        """The quantity that decides, in Keras's words."""
        return "val_loss" if self.validated else "loss"

    def is_over(self, state: TrainingState) -> bool:
        """Return whether nothing is left to train."""
        late = self.patience and state.epoch - state.best_epoch >= self.patience
        return state.epoch >= self.epochs or bool(late)


class TrainingCallback(keras.callbacks.Callback):
    """Follows a training, keeps its state, and stops it.

    Attributes:
        state: where it is.
        best_weights: of the best epoch, as NumPy arrays; None before there is one.
    """

    def __init__(
        self,
        trained: keras.Model,
        rules: TrainingRules,
        feed: Feed,
        state: TrainingState,
        checkpoints: Checkpoints,
        scorers: Mapping[SampleRole, Callable[[], Scores]],
        save: Callable[[Path], None],
        progress: Progress,
    ) -> None:
        """Make the callback.

        Args:
            trained: the model, compiled.
            rules: when training ends or changes.
            feed: batches for training.
            state: where it is.
            checkpoints: where it is kept.
            scorers: score the model on data of a role, after some epochs.
            save: writes the model as it is into a .keras file.
            progress: receives the log, and is asked to stop after each batch.
        """
        super().__init__()
        self.state, self._trained = state, trained
        self.best_weights: list[np.ndarray] | None = None
        self._rules, self._feed, self._checkpoints = rules, feed, checkpoints
        self._scorers, self._save, self._progress = scorers, save, progress
        self._epoch = state.epoch
        self._started = self._logged = self._waited = 0.0

    @property
    def variables(self) -> list[Any]:
        """All variables of the training, in a fixed order: of the model, then of the optimizer."""
        return [*self._trained.variables, *self._trained.optimizer.variables]

    def resume_from(
        self, state: TrainingState, values: list[np.ndarray], best_weights: list[np.ndarray] | None
    ) -> None:
        """Resume from a checkpoint.

        Args:
            state: where the training was.
            values: of all `variables`.
            best_weights: of the best epoch.
        """
        self.state = state
        for variable, value in zip(self.variables, values):
            variable.assign(value)
        self.best_weights = best_weights

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin an epoch with an order of its own."""
        self._epoch = epoch
        self._feed.begin(self._rules.seed + epoch)
        self._started = self._logged = time.monotonic()
        self._waited = self._feed.waited

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Log the running loss; stop if the user asks to or the loss is not a number."""
        self._progress.check()
        loss = float((logs or {}).get("loss", math.nan))
        if not math.isfinite(loss):
            raise TrainingError(self._not_finite(batch, loss))
        done = (self._epoch + (batch + 1) / self._feed.steps) / self._rules.epochs
        self._progress.fraction(FITTED * done)
        now = time.monotonic()
        if now - self._logged > _LOG_INTERVAL:
            self._logged = now
            self._progress.info(
                Phrase(
                    "Epoch {epoch}/{epochs}, batch {batch}/{steps}: loss {loss:.4g}",
                    epoch=self._epoch + 1,
                    epochs=self._rules.epochs,
                    batch=batch + 1,
                    steps=self._feed.steps,
                    loss=loss,
                )
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the checkpoint, and decide whether training continues."""
        seconds = time.monotonic() - self._started
        row = {"epoch": float(epoch + 1), **{name: float(value) for name, value in (logs or {}).items()}}
        row["learning_rate"] = self._rate()
        row["seconds"] = seconds
        row["seconds_waited"] = self._feed.waited - self._waited
        measured = [name for name in (logs or {}) if name in row]
        shown = named_numbers((readable(name), row[name]) for name in measured)
        self._progress.info(
            Phrase(
                "Epoch {epoch}/{epochs}: {shown} ({seconds:.1f} s)",
                epoch=epoch + 1,
                epochs=self._rules.epochs,
                shown=shown,
                seconds=seconds,
            )
        )
        self._check_finite(row)
        self._decide(epoch + 1, row)
        if self._is_scored(epoch + 1):
            row.update(self._score())
        self.state.history.append(row)
        self._checkpoints.write(self.state, self.variables)
        self._progress.check()

    def _check_finite(self, row: Mapping[str, float]) -> None:
        """Raise TrainingError where the last step has destroyed the network, which the loss of no batch has told yet."""
        weights = self._trained.trainable_weights
        lost = next((own.path for own in weights if not np.isfinite(np.asarray(own)).all()), "")
        value = row[self._rules.monitor]
        if lost or not math.isfinite(value):
            what = Phrase("The weights {path} hold values that are not finite", path=lost)
            if not lost:
                what = Phrase("{monitor} is {value}", monitor=readable(self._rules.monitor), value=value)
            raise TrainingError(
                "{what} after epoch {epoch}, with a learning rate of {rate:.3g}; {kept}. {cure}",
                what=what,
                epoch=self._epoch + 1,
                rate=self._rate(),
                kept=self._kept(),
                cure=_cure(),
            )

    def _decide(self, epoch: int, row: Mapping[str, float]) -> None:
        """Keep the best weights, lower the learning rate, stop early."""
        state, rules = self.state, self._rules
        state.epoch = epoch
        value = row[rules.monitor]
        if value < state.best:
            state.best, state.best_epoch = value, epoch
            self.best_weights = self._trained.get_weights()
            self._checkpoints.write_best(state, self._save)
        since = epoch - max(state.best_epoch, state.lowered)
        if rules.plateau and since >= _PLATEAU:
            state.lowered = epoch
            self._trained.optimizer.learning_rate = self._rate() * _FACTOR
            self._progress.info(Phrase("The learning rate is now {rate:.3g}.", rate=self._rate()))
        if epoch < rules.epochs and rules.is_over(state):
            self._progress.info(
                Phrase(
                    "No better {monitor} for {patience} {patience:epoch|epochs} ({patience_key}): training ends.",
                    monitor=readable(rules.monitor),
                    patience=rules.patience,
                    patience_key=field("patience"),
                )
            )
            self._trained.stop_training = True

    def _is_scored(self, epoch: int) -> bool:
        every, last = self._rules.score_every, epoch == self._rules.epochs or self._trained.stop_training
        return bool(every) and (epoch % every == 0 or last)

    def _score(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for role, scorer in self._scorers.items():
            found.update(log_scores(role, scorer(), self._progress))
        return found

    def _rate(self) -> float:
        return float(np.asarray(self._trained.optimizer.learning_rate))

    def _not_finite(self, batch: int, loss: float) -> str:
        step = self._epoch * self._feed.steps + batch + 1
        return Phrase(
            "The loss became {loss} at step {step} (epoch {epoch}, batch {batch}), with a learning rate of "
            "{rate:.3g}; {kept}. {cure}",
            loss=loss,
            step=step,
            epoch=self._epoch + 1,
            batch=batch + 1,
            rate=self._rate(),
            kept=self._kept(),
            cure=_cure(),
        )

    def _kept(self) -> str:
        """Return which weights are kept when training stops at values that are not finite."""
        if not self.state.best_epoch:
            return Phrase("no epoch ended well, so no weights are kept")
        best = self._checkpoints.best
        return Phrase(
            "the weights of epoch {best_epoch}, the best so far, are kept{where}",
            best_epoch=self.state.best_epoch,
            where=Phrase(" in {best}", best=best) if best else "",
        )


def _cure() -> str:
    return Phrase(
        "Lower {learning_rate}, and check the patches for NaN or very large values.",
        learning_rate=field("learning_rate"),
    )
