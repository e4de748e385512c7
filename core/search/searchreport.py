"""What a search has found: the trials as JSON, and the report as a page (HTML)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..accuracy.figures import trials_figure
from ..accuracy.quantitynames import readable
from ..accuracy.report import Report
from ..operations.searchsettings import SearchSettings
from ..parameters.kinds import parameter_name
from ..phrases import Phrase
from .trials import Tried


def optimism(count: int) -> Phrase:
    """Return the warning about the score of the best of so many trials."""
    return Phrase(
        "The best of {count} trials was chosen by its score on the validation data, so this score is optimistic: other data "
        "will show a lower accuracy. Assess the model or its map on reference data that no trial has seen.",
        count=count,
    )


def trials_json(parameters: SearchSettings, tried: Sequence[Tried], order: Sequence[Tried], score: str) -> str:
    """Return the trials as JSON.

    Args:
        parameters: of the search.
        tried: the trials, by number.
        order: those with a score, the best first.
        score: name of the one that decides.
    """
    rows = [
        {
            "trial": one.trial.number,
            "settings": one.trial.settings,
            "epochs": one.epochs,
            "score": one.score,
            "scores": _scores(one),
            "seconds": round(one.seconds, 3),
            **({"error": str(one.outcome.error)} if one.outcome.error else {}),
        }
        for one in tried
    ]
    whole = {
        "version": 1,
        "method": parameters.method,
        "seed": parameters.seed,
        "score": score,
        "best_trial": order[0].trial.number,
        "note": str(optimism(len(tried))) if len(tried) > 1 else "",
        "trials": rows,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _scores(one: Tried) -> dict[str, Any]:
    counts = ("epochs_run", "samples_per_epoch")
    return {name: value for name, value in one.outcome.results.items() if name not in (*counts, "checkpoints")}


def report_html(
    parameters: SearchSettings, tried: Sequence[Tried], order: Sequence[Tried], score: str, best: str
) -> str:
    """Return the report.

    Args:
        parameters, tried, order, score: see `trials_json`.
        best: the page about the training of the best trial, which follows.
    """
    report = Report(Phrase("Search of training settings"))
    failed = [one for one in tried if one.outcome.error]
    report.table(
        "",
        (),
        [
            (Phrase("Trials"), len(tried)),
            (Phrase("Failed trials"), len(failed)),
            (Phrase("Best trial"), order[0].trial.number),
            (Phrase("Its {name} on validation data", name=readable(score)), order[0].score),
            (Phrase("Seconds altogether"), float(sum(one.seconds for one in tried))),
        ],
    )
    if len(tried) > 1:
        report.text(optimism(len(tried)))
    _add_trials(report, tried, order, score)
    if failed:
        header = (Phrase("Trial"), Phrase("Error"))
        report.table(Phrase("Failed trials"), header, [(one.trial.number, str(one.outcome.error)) for one in failed])
    report.parameters(parameters)
    return report.followed_by(Phrase("Best trial: training report"), best)


def _add_trials(report: Report, tried: Sequence[Tried], order: Sequence[Tried], score: str) -> None:
    """Add the table of trials, the best first and those without a score last, and the picture."""
    names = list(dict.fromkeys(name for one in tried for name in one.trial.settings))
    header = [Phrase("Trial"), *map(parameter_name, names), Phrase("Epochs"), readable(score), Phrase("Seconds")]
    others = [one for one in tried if one not in order]
    rows = [
        [
            one.trial.number,
            *(str(one.trial.settings[name]) for name in names),
            one.epochs,
            "–" if one.score is None else one.score,
            float(one.seconds),
        ]
        for one in (*order, *others)
    ]
    report.table(Phrase("Trials"), header, rows)
    if len(order) > 1:
        values = {name: [one.trial.settings[name] for one in order] for name in names}
        picture = trials_figure(values, [one.score or 0.0 for one in order], [one.epochs for one in order], score)
        report.figure("", picture, Phrase("The score of each trial over each setting"))
