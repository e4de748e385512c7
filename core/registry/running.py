"""Running an operation in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..base.progress import Progress, Reworded
from ..base.temporaries import announcing_to
from ..errors import ParameterError, as_key, worded
from ..files.inputs import watched
from ..files.memoryfiles import memory_files
from ..files.privatecopies import private_copies
from ..files.replacing import check_outputs
from ..machine import preloading
from ..machine.signals import cleaned_up_on_signals
from ..parameters.mentions import with_keys
from ..parameters.parsing import keys
from .declarations import declaration, function_at, in_keys_of, read
from .givenvalues import check_files, understood
from .scripts import check_eager, missing_packages_explained, on_terminal, stopped_by_ctrl_c


def run(
    name: str, values: Mapping[str, Any], progress: Progress | None = None, *, cluster: Any = None
) -> dict[str, Any]:
    """Run the operation called `name` in this process, with values under OTBTF's keys.

    A raster may be a path, one with OTB's options (`image.tif?&bands=1,3`), a VRT, a `core.RasterSource`, an open
    `gdal.Dataset`, a NumPy array as `core.ArrayRaster`, or an xarray DataArray; a raster to write a path
    (`map.tif?&box=0:0:100:100&gdal:co:TILED=YES`), alone or with its pixel type: `("map.tif", "uint8")`. A layer may be a
    path, `path|layername=name`, or a `core.VectorSource`, which gives it another coordinate system than its file's.

    Without a `progress` of your own, a bar is shown on a terminal (elsewhere messages are logged), and Ctrl-C stops the
    operation: KeyboardInterrupt is raised once its threads have ended and its output is removed. A second Ctrl-C does
    not wait for them. In the main thread SIGTERM and SIGHUP remove the unfinished output, and end the process as ever.

    Args:
        name: the application's name, such as `TensorflowModelServe`.
        values: keys such as `source1.il` to values (text is read as on a command line).
        progress: receives progress and asks to cancel.
        cluster: the value of the key `cluster`, of operations that have it: the address of a Dask cluster, `local:4`, or an
            executor of `concurrent.futures` with threads, or with processes that are started by spawn.

    Returns:
        The operation's results by key: the outputs' paths, and the numbers that it found.

    Raises:
        OtbtfError: bad input, with a message for the user.
        Cancelled: `progress` asked to stop; as after every error, nothing is left behind.
    """
    if cluster is not None:
        values = {**values, "cluster": cluster}
    if progress is not None:
        return _run(name, values, progress)
    with missing_packages_explained(), on_terminal(name) as shown, stopped_by_ctrl_c(shown) as stoppable:
        return _run(name, values, stoppable)


def function(name: str) -> Callable[..., dict[str, Any]]:
    """Return the operation called `name` as a function: `core.TensorflowModelServe(source1_il=["a.tif"], out="m.tif")`.

    It takes keywords, OTBTF's keys with `_` for each dot, and before them any number of dictionaries of keys to values,
    as pyotb does; `progress` is that of `run`. It returns and raises what `run` does.

    Raises:
        ParameterError: there is no such operation.
    """
    parameters = declaration(name)

    def call(*given: Mapping[str, Any], progress: Progress | None = None, **keywords: Any) -> dict[str, Any]:
        names = {key.name.replace(".", "_"): key.name for key in keys(parameters, keywords)}
        values: dict[str, Any] = {}
        for several in (*given, {names.get(word, word): value for word, value in keywords.items()}):
            for key in several:
                if key in values:
                    raise ParameterError("{name}: {key} is given twice: keep one value.", name=name, key=key)
            values.update(several)
        return run(name, values, progress)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"Run {name}; its keys are: {', '.join(key.name for key in keys(parameters))}."
    return call


def _run(name: str, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    parameters = declaration(name)
    with in_keys_of(parameters):
        return _run_declared(parameters, values, _in_keys(progress, parameters))


def _in_keys(progress: Progress, operation: type) -> Progress:
    """Return a progress whose lines name an operation's parameters by its keys."""

    def words(message: str) -> str:
        mentioned = with_keys(message, operation)
        return mentioned if progress.keeps_mentions else worded(mentioned, as_key)

    return Reworded(progress, words)


def _run_declared(parameters: Any, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    preloading.gdal()
    with (
        cleaned_up_on_signals(progress) as cleaned_up,
        announcing_to(cleaned_up.temporary),
        private_copies(cleaned_up),
        watched(cleaned_up),
    ):
        check_files(parameters, values)
        understood_values = understood(parameters, values, cleaned_up)
        given = read(parameters, understood_values)
        check_outputs(keys(parameters, understood_values), understood_values)
        with memory_files(parameters, understood_values) as files:
            given = read(parameters, files.values) if files else given
            if parameters.NEEDS_ENGINE:
                check_eager()
            if parameters.NEEDS_ENGINE and not parameters.OPENS_FIRST:
                preloading.wait()
            results = function_at(parameters.RUN)(given, cleaned_up)
            if files:
                files.bring_back()
                results = {key: files.as_asked(value) for key, value in results.items()}
    return {key: _without_mentions(value, parameters) for key, value in results.items()}


def _without_mentions(value: Any, operation: type) -> Any:
    """Return a result in which parameters have their keys: results are data, which nobody puts into words."""
    return worded(with_keys(value, operation), as_key) if isinstance(value, str) else value
