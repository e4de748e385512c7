"""Samples that a model's inputs do not hold, or a loss does not suit: refused before training."""

from __future__ import annotations

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..parameters.sampleroles import SampleRole
from ..rasters.narrowing import Narrowing
from .samplebatches import Samples


def check_input_holds(samples: Samples, key: str, role: SampleRole, name: str, dtype: str, progress: Progress) -> None:
    """Look at all samples of a source whose type an input may not hold.

    Args:
        samples: of one role.
        key: the source, such as `source1`.
        role: of the samples.
        name: of the model's input.
        dtype: that it takes.
        progress: may cancel.

    Raises:
        ParameterError: it does not hold a value.
        Cancelled: `progress` asked to stop.
    """
    narrowing = Narrowing(np.dtype(samples.dtypes[key]), dtype)
    if not narrowing.needed or (not narrowing.whole and narrowing.target != "float16"):
        return
    for values in samples.values(key):
        progress.check()
        narrowing(np.array(values))
        if told := narrowing.told():
            raise ParameterError(
                "{mention} holds {key}, but the input {name} of the model takes {dtype}: of the values {told}, and "
                "would become others. Scale or clip the patches, or choose a model that takes them.",
                mention=role.mention("il", key),
                key=samples.dtypes[key],
                name=name,
                dtype=dtype,
                told=told,
            )


def check_shares(samples: Samples, key: str, role: SampleRole, progress: Progress) -> None:
    """Look at all values of a target of shares.

    Raises:
        ParameterError: one is not between 0 and 1.
        Cancelled: `progress` asked to stop.
    """
    for values in samples.values(key):
        progress.check()
        wrong = ~((values >= 0) & (values <= 1))
        if wrong.any():
            raise ParameterError(
                "{mention} holds the value {value:g}, but {loss} is tanimoto, which is for values between 0 and 1: scale the "
                "target, as otbtf:objectlabels does, or choose another loss.",
                mention=role.mention("il", key),
                value=float(np.asarray(values)[wrong][0]),
                loss=field("loss"),
            )
