"""The body of SearchSettings: trials, the best of them, its model and the report."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..accuracy.quantitynames import readable
from ..base.progress import Part, Progress, Quiet
from ..base.temporaries import remove
from ..errors import EngineError, field
from ..files.staging import Staging, check_file
from ..operations.searchsettings import SearchSettings
from ..phrases import Phrase
from ..probing.exportrun import check_replaceable
from ..registry import declaration
from ..tables.journal import Journal
from ..tables.rowrun import RowOutcome
from ..tables.scheduling import Workers, workers_for
from ..workflows.modeltraining import INNER, check_no_graph, training_words
from ..workflows.nestedruns import run_nested
from .halving import Rung, epochs_altogether, rungs_of
from .searchchecks import drawn_trials, models_of_trials, trial_values, trials_folder
from .searchidentity import search_identity
from .searchreport import optimism, report_html, trials_json
from .space import told
from .trials import Trial, Tried, deciding_score, ranked

_SEARCHING = 0.95
"""The share of the progress until all trials have run."""


def search_settings(parameters: SearchSettings, progress: Progress) -> dict[str, Any]:
    """Train a model with several settings, and keep the best one.

    Returns:
        The outputs' paths by key; `trials_done`, `trials_kept` and `trials_failed`, their numbers; `best_trial`,
        `best_score` and `best_settings`, JSON; for the best trial what TensorflowModelTrain returns.

    Raises:
        ParameterError, RasterError, ModelError: bad input, as far as possible before the first trial.
        EngineError: all trials failed, or none has the score that decides.
        Cancelled: `progress` asked to stop; trials that are done are in the journal.
    """
    for model in models_of_trials(parameters):
        check_no_graph(model)
    trials = _trials(parameters)
    if parameters.model_saveto:
        check_replaceable(Path(parameters.model_saveto), field("model_saveto"))
    if parameters.out_report:
        check_file(parameters.out_report, field("out_report"))
    if not parameters.model_saveto:
        progress.warning(
            Phrase(
                "{model_saveto} is not given: the model of the best trial is not kept.",
                model_saveto=field("model_saveto"),
            )
        )
    with ExitStack() as stack:
        out = stack.enter_context(Staging.of_file(parameters.out, progress, field("out")))
        about = search_identity(parameters)
        journal = stack.enter_context(Journal(parameters.out, parameters.resume, about))
        search = _Search(parameters, journal, progress)
        tried = search.run(trials)
        best = search.best(tried)
        trained, page = dict(best.outcome.results), ""
        if parameters.model_saveto or parameters.out_report:
            trained, page = _finish(parameters, best, out.folder, Part(progress, _SEARCHING, 1.0))
        order = ranked(tried, search.score)
        out.write_text(trials_json(parameters, tried, order, search.score))
        out.commit()
        if parameters.out_report:
            report = stack.enter_context(Staging.of_file(parameters.out_report, progress, field("out_report")))
            report.write_text(report_html(parameters, tried, order, search.score, page))
            report.commit()
    remove(str(trials_folder(parameters)))
    return {
        **trained,
        "out": parameters.out,
        **({"out.report": parameters.out_report} if parameters.out_report else {}),
        "trials_done": len(tried) - sum(bool(one.outcome.error) for one in tried),
        "trials_kept": sum(one.outcome.kept for one in tried),
        "trials_failed": sum(bool(one.outcome.error) for one in tried),
        "best_trial": best.trial.number,
        "best_score": best.score,
        "best_settings": json.dumps(best.trial.settings),
    }


def _trials(parameters: SearchSettings) -> list[Trial]:
    folder = trials_folder(parameters)
    return [
        Trial(number, settings, folder / f"trial{number}")
        for number, settings in enumerate(drawn_trials(parameters), 1)
    ]


def _finish(parameters: SearchSettings, best: Tried, scratch: Path, progress: Progress) -> tuple[dict[str, Any], str]:
    """Let the training of the best trial write its outputs; return its results, and its report.

    It goes on from the checkpoint of its end, so nothing is trained again, unless an earlier run has removed it.
    """
    report = scratch / "best.html"
    values = best.trial.values(trial_values(parameters), best.planned)
    values.update({"out.report": str(report), "calibrate": parameters.calibrate})
    if parameters.model_saveto:
        values["model.saveto"] = parameters.model_saveto
    trials_folder(parameters).mkdir(exist_ok=True)
    results = run_nested(INNER, values, training_words(parameters), Quiet(progress))
    page = report.read_text(encoding="utf-8")
    report.unlink()
    return {name: value for name, value in results.items() if name != "out.report"}, page


class _Search:
    """The run of the trials.

    Attributes:
        score: name of the score that decides, once a trial tells which there are.
    """

    def __init__(self, parameters: SearchSettings, journal: Journal, progress: Progress) -> None:
        self.score = parameters.score
        self._parameters, self._journal, self._progress = parameters, journal, progress
        self._common, self._words = trial_values(parameters), training_words(parameters)
        self._started, self._earlier = time.monotonic(), 0.0
        self._tried: dict[int, Tried] = {}

    def run(self, trials: Sequence[Trial]) -> list[Tried]:
        """Run the trials, rung by rung; return what became of each that was begun, in order.

        Raises:
            EngineError: all of them failed.
            Cancelled: the user asked to stop.
        """
        parameters, folder = self._parameters, trials_folder(self._parameters)
        rungs = rungs_of(parameters.method, len(trials), parameters.epochs)
        self._tell_plan(trials, rungs)
        if not self._journal.resumed:
            remove(str(folder))  # of an earlier search, whose trials count no more
        folder.mkdir(exist_ok=True)
        done, whole, before = 0.0, float(epochs_altogether(rungs)), 0
        with workers_for(
            declaration(INNER), parameters.cluster, parameters.cluster_tls, folder.parent, self._progress
        ) as workers:
            for rung in rungs:
                share = rung.trials * (rung.epochs - before) / whole
                part = Part(self._progress, _SEARCHING * done, _SEARCHING * (done + share))
                trials = self._survivors(trials, rung)
                if not self._run_rung(trials, rung, workers, part):
                    break
                done, before = done + share, rung.epochs
        return [self._tried[number] for number in sorted(self._tried)]

    def best(self, tried: Sequence[Tried]) -> Tried:
        """Return the best trial.

        Raises:
            EngineError: there is none.
        """
        order = ranked(tried, self.score)
        if order:
            self._tell_best(order[0], len(tried))
            return order[0]
        failed = [one for one in tried if one.outcome.error]
        if len(failed) == len(tried):
            raise EngineError(
                "All {count} {count:trial|trials} failed. The first: {trial} ({settings}): {error}",
                count=len(tried),
                trial=failed[0].trial.name,
                settings=told(failed[0].trial.settings),
                error=failed[0].outcome.error,
            )
        raise EngineError(
            "No trial has the score {name}: choose another one in {score}.",
            name=readable(self.score),
            score=field("score"),
        )

    # -------------------------------------------------------------- rungs

    def _survivors(self, trials: Sequence[Trial], rung: Rung) -> list[Trial]:
        """Return the trials of a rung: all, or the best of the one before; the checkpoints of others are removed."""
        if not self._tried:
            return list(trials)
        best = [one.trial for one in ranked(list(self._tried.values()), self.score)[: rung.trials]]
        for one in self._tried.values():
            if one.trial not in best:
                remove(str(one.trial.folder))
        return sorted(best, key=lambda trial: trial.number)

    def _run_rung(self, trials: Sequence[Trial], rung: Rung, workers: Workers, progress: Progress) -> bool:
        """Run trials up to the epochs of a rung; return whether there is time for more."""
        waiting = []
        for trial in trials:
            kept = self._journal.kept(trial.number, trial.identity(rung.epochs))
            if kept is None:
                waiting.append(trial)
            else:
                self._earlier += kept.seconds
                self._take(trial, kept, rung)
        self._tell_kept(len(trials) - len(waiting), rung)
        at_once = workers.pool.workers() if self._parameters.minutes else max(1, len(waiting))
        chunks = [waiting[start : start + at_once] for start in range(0, len(waiting), at_once)]
        for number, chunk in enumerate(chunks):
            if self._is_late():
                return False
            part = Part(progress, number / len(chunks), (number + 1) / len(chunks))
            self._run_chunk(chunk, rung, workers, part)
        return not self._is_late()

    def _run_chunk(self, trials: Sequence[Trial], rung: Rung, workers: Workers, progress: Progress) -> None:
        by_number = {trial.number: trial for trial in trials}

        def arrived(outcome: RowOutcome) -> None:
            trial = by_number[outcome.number]
            outcome = dataclasses.replace(outcome, identity=trial.identity(rung.epochs))
            if not outcome.error:
                self._journal.note(outcome, ())
            self._take(trial, outcome, rung)
            self._tell_trial(self._tried[trial.number], rung)

        workers.run([trial.task(self._common, rung.epochs, self._words) for trial in trials], arrived, progress)

    def _take(self, trial: Trial, outcome: RowOutcome, rung: Rung) -> None:
        if self.score == "auto" and not outcome.error:
            self.score = deciding_score(self.score, outcome.results)
        score = None if outcome.error else outcome.results.get(self.score)
        before = self._tried[trial.number].seconds if trial.number in self._tried else 0.0
        self._tried[trial.number] = Tried(trial, rung.epochs, outcome, score, before + outcome.seconds)
        if self._parameters.method == "random":
            self._keep_best()

    def _keep_best(self) -> None:
        """Remove the checkpoints of trials that are not the best so far."""
        order = ranked(list(self._tried.values()), self.score)
        for one in self._tried.values():
            if not order or one is not order[0]:
                remove(str(one.trial.folder))

    def _is_late(self) -> bool:
        """Return whether no further trial begins; at least one is tried."""
        minutes = self._parameters.minutes
        if not minutes or not self._tried:
            return False
        return self._earlier + time.monotonic() - self._started >= 60 * minutes

    # --------------------------------------------------------------- log

    def _tell_plan(self, trials: Sequence[Trial], rungs: Sequence[Rung]) -> None:
        if len(trials) < self._parameters.trials:
            self._progress.info(
                Phrase(
                    "{settings} has {count} {count:combination|combinations}, so there are not more trials.",
                    settings=field("settings"),
                    count=len(trials),
                )
            )
        plan = Phrase(", then ").join(
            [
                Phrase(
                    "{trials} {trials:trial|trials} of {epochs} {epochs:epoch|epochs}",
                    trials=rung.trials,
                    epochs=rung.epochs,
                )
                for rung in rungs
            ]
        )
        self._progress.info(Phrase("The search has {plan}.", plan=plan))

    def _tell_kept(self, kept: int, rung: Rung) -> None:
        if kept:
            self._progress.info(
                Phrase(
                    "{kept} {kept:trial|trials} of {epochs} {epochs:epoch|epochs} {kept:is|are} done already, as {journal} says.",
                    kept=kept,
                    epochs=rung.epochs,
                    journal=self._journal.path,
                )
            )

    def _tell_trial(self, one: Tried, rung: Rung) -> None:
        settings = told(one.trial.settings)
        if one.outcome.error:
            self._progress.warning(
                Phrase(
                    "{trial} failed ({settings}): {error}",
                    trial=one.trial.name,
                    settings=settings,
                    error=one.outcome.error,
                )
            )
            return
        score = Phrase("no {name}", name=readable(self.score))
        if one.score is not None:
            score = Phrase("{name} {score:.4f}", name=readable(self.score), score=one.score)
        self._progress.info(
            Phrase(
                "{trial}: {score} after {epochs} {epochs:epoch|epochs}, {seconds:.1f} s ({settings}).",
                trial=one.trial.name,
                score=score,
                epochs=one.epochs,
                seconds=one.outcome.seconds,
                settings=settings,
            )
        )

    def _tell_best(self, best: Tried, count: int) -> None:
        self._progress.info(
            Phrase(
                "The best of {count} {count:trial|trials} is {number}, with {name} {score:.4f}: {settings}.",
                count=count,
                number=best.trial.number,
                name=readable(self.score),
                score=best.score,
                settings=told(best.trial.settings),
            )
        )
        if count > 1:
            self._progress.warning(optimism(count))
