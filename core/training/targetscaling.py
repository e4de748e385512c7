"""Fitting the scaling of a network's output to the target that it is trained on."""

from __future__ import annotations

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from ..samples.bandstatistics import BandStatistics
from .network import Network
from .samplebatches import Samples


def fit_target_scaling(network: Network, samples: Samples, target: str, progress: Progress) -> None:
    """Give the layer that scales the trained output mean and deviation of the target, unless an earlier training did.

    Args:
        network: whose output was chosen; without such a layer nothing is done.
        samples: for training.
        target: key of the source that is the target.
        progress: receives a line, and may cancel.

    Raises:
        ParameterError: the target holds values that are no numbers, or only one value.
        Cancelled: `progress` asked to stop.
    """
    layer = network.target_scaling
    if layer is None:
        return
    mentioned = SampleRole.TRAINING.mention("il", target)
    means, deviations = _statistics(samples, target, mentioned, progress)
    if layer.is_fitted:
        progress.info("The scaling of the output stays that of the model's earlier training.")
        return
    if not any(deviations):
        raise ParameterError(
            "{mentioned} is the target, but all its values are {mean:g}: nothing can be learned from it. Choose a "
            "target that varies.",
            mentioned=mentioned,
            mean=means[0],
        )
    for number, (mean, deviation) in enumerate(zip(means, deviations), 1):
        if not deviation:
            progress.warning(
                Phrase("Band {number} of the target has one value only, {mean:g}.", number=number, mean=mean)
            )
    layer.fit(means, [deviation or 1.0 for deviation in deviations])
    shown = Phrase("; ").join(
        (
            Phrase("{mean:.6g} and {deviation:.6g}", mean=mean, deviation=deviation)
            for mean, deviation in zip(means, deviations)
        )
    )
    progress.info(Phrase("Mean and standard deviation of the target, kept in the model: {shown}.", shown=shown))


def _statistics(samples: Samples, target: str, mentioned: str, progress: Progress) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation per band."""
    found, others = BandStatistics(samples.shapes[target][-1]), 0
    for values in samples.values(target):
        progress.check()
        values = np.asarray(values)
        finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        others += int((~finite).sum())
        found.add(values)
    if others:
        raise ParameterError(
            "{mentioned} is the target, but {others} of its {size} samples hold values that are no numbers (NaN or "
            "infinite): leave these samples out.",
            mentioned=mentioned,
            others=others,
            size=samples.size,
        )
    rows = found.rows()
    return [float(row["mean"] or 0.0) for row in rows], [float(row["std"] or 0.0) for row in rows]
