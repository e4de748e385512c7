"""The workers that a value of CLUSTER stands for."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base.progress import Progress
from .daskcluster import dask_pool
from .executorpool import ExecutorPool
from .tasks import Pool


@contextlib.contextmanager
def opened_pool(cluster: Any, tls: str, folder: Path, progress: Progress) -> Iterator[Pool]:
    """Yield the workers.

    Args:
        cluster: text, or an executor of `concurrent.futures`.
        tls: folder of certificates, for an address.
        folder: that all workers see; the pool may keep something hidden in it meanwhile.
        progress: told what is connected to.

    Raises:
        ParameterError, EngineError: there are no such workers.
    """
    if isinstance(cluster, concurrent.futures.Executor):
        with ExecutorPool(cluster) as pool:
            pool.begin(folder, progress)
            yield pool
        return
    with dask_pool(cluster, tls, progress) as dask:
        yield dask
