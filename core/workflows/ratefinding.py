"""The body of FindLearningRate: a training is prepared, and rates are tested instead of it."""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack
from typing import Any

from ..accuracy.figures import rates_figure
from ..accuracy.report import Report
from ..base.progress import Progress
from ..errors import as_key, field, worded
from ..files.staging import Staging
from ..operations.findlearningrate import FindLearningRate
from ..phrases import Phrase
from ..training.ratecurve import RateCurve, rising_rates
from .modeltraining import INNER, check_no_graph, training_values, training_words
from .nestedruns import check_nested, nested_step


def find_learning_rate(parameters: FindLearningRate, progress: Progress) -> dict[str, Any]:
    """Test learning rates, and suggest one.

    Returns:
        The outputs' paths by key; `learning_rate`, the suggestion, and `rate_steepest`, both left out where the loss does
        not fall; `rate_smallest`, the rate of the smallest smoothed loss; `batches_run`.

    Raises:
        ParameterError, RasterError, ModelError: bad input.
        TrainingError: the loss is no number from the beginning.
        Cancelled: `progress` asked to stop.
    """
    from ..training.rangetest import run_range_test  # TensorFlow, which checks need not load

    paths = {"out.report": parameters.out_report, "out.curve": parameters.out_curve}
    rates = rising_rates(parameters.rate_start, parameters.rate_end, parameters.batches)
    with ExitStack() as stack:
        staged = {
            key: stack.enter_context(Staging.of_file(path, progress, field(key.replace(".", "_"))))
            for key, path in paths.items()
            if path
        }
        words = training_words(parameters)
        check_no_graph(parameters.model_dir)
        with nested_step(INNER, training_values(parameters), words, progress) as (training, step):
            curve = run_range_test(training, rates.tolist(), step)
        _tell(parameters, curve, progress)
        texts = {"out.report": lambda: _report(parameters, curve), "out.curve": lambda: curve_csv(curve)}
        for key, staging in staged.items():
            staging.write_text(texts[key]())
        for staging in staged.values():
            staging.commit()
    found = {"learning_rate": curve.suggested, "rate_steepest": curve.steepest}
    return {
        **{key: path for key, path in paths.items() if path},
        **{name: rate for name, rate in found.items() if rate is not None},
        "rate_smallest": curve.rates[curve.place],
        "batches_run": len(curve.losses),
    }


def check_finder(parameters: FindLearningRate) -> None:
    """Raise ParameterError where TensorflowModelTrain refuses the values; the declaration names this check."""
    check_nested(INNER, training_values(parameters), training_words(parameters))


def curve_csv(curve: RateCurve) -> str:
    """Return the curve as CSV: one row per batch."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["batch", "learning_rate", "loss", "smoothed_loss"])
    for number, values in enumerate(zip(curve.rates, curve.losses, curve.smoothed.tolist()), 1):
        table.writerow([number, *(f"{value:.9g}" for value in values)])
    return text.getvalue()


def _tell(parameters: FindLearningRate, curve: RateCurve, progress: Progress) -> None:
    if curve.suggested is None:
        progress.warning(_nothing(curve))
        return
    progress.info(
        Phrase(
            "Suggested learning rate: {rate:.3g}, a tenth of that with the smallest loss ({smallest:.3g}).",
            rate=curve.suggested,
            smallest=curve.rates[curve.place],
        )
    )
    if curve.falls_to_the_end:
        progress.warning(_still_falling(parameters))


def _nothing(curve: RateCurve) -> str:
    other = Phrase("a higher {rate_end}", rate_end=field("rate_end"))
    if curve.ended_early:  # higher rates have been tried
        other = Phrase("a lower {rate_start}", rate_start=field("rate_start"))
    return Phrase(
        "The loss does not fall between the learning rates {start:.3g} and {end:.3g}, so none is suggested: give more "
        "{batches}, or {other}, and check patches and labels.",
        start=curve.rates[0],
        end=curve.rates[-1],
        batches=field("batches"),
        other=other,
    )


def _still_falling(parameters: FindLearningRate) -> str:
    return Phrase(
        "The loss still falls at the last learning rate, {rate:.3g}: a higher {rate_end} may give a better suggestion.",
        rate=parameters.rate_end,
        rate_end=field("rate_end"),
    )


def _report(parameters: FindLearningRate, curve: RateCurve) -> str:
    report = Report(Phrase("Learning rate"))
    rows: list[tuple[str, Any]] = [(Phrase("Suggested learning rate"), _shown(curve.suggested))]
    rows += [
        (Phrase("Learning rate at the smallest loss"), _shown(curve.rates[curve.place])),
        (Phrase("Learning rate at the steepest descent"), _shown(curve.steepest)),
        (Phrase("Smallest loss (smoothed)"), float(curve.smoothed[curve.place])),
        (Phrase("Batches"), len(curve.losses)),
    ]
    report.table("", (), rows)
    if curve.suggested is None:
        report.text(_in_keys(_nothing(curve)))
    elif curve.falls_to_the_end:
        report.text(_in_keys(_still_falling(parameters)))
    picture = rates_figure(curve.rates, curve.losses, curve.smoothed, curve.suggested, curve.steepest)
    report.figure(Phrase("Loss over the learning rate"), picture, Phrase("Curve of the loss over the learning rate"))
    if curve.suggested is not None:
        report.text(
            Phrase(
                "The suggestion is a tenth of the learning rate at which the smoothed loss is smallest. A rate of this size "
                "trains fast and without divergence; the loss falls fastest at the rate of the steepest descent."
            )
        )
    report.parameters(parameters)
    return report.html()


def _shown(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.3g}"


def _in_keys(message: str) -> str:
    return worded(message, as_key)
