"""SavedModels of TensorFlow 1 graphs, for scripts that build them with `tf.compat.v1`.

    with tf.Graph().as_default(), tf.compat.v1.Session() as sess:
        x = tf.compat.v1.placeholder(tf.float32, [None, None, None, 4], name="x")
        ...
        tf.compat.v1.train.AdamOptimizer(name="optimizer").minimize(loss)
        sess.run(tf.compat.v1.global_variables_initializer())
        create_savedmodel(sess, ["x:0", "y:0"], ["prediction:0"], "model")

The whole graph is kept: TensorflowModelTrain runs its `optimizer` by name, TensorflowModelServe feeds and fetches what is
in the lists, or any other tensor. (Where a script builds its graph outside of a `tf.Graph`, it needs
`tf.compat.v1.disable_v2_behavior()` first; this module leaves TensorFlow 2 as it is, where OTBTF's switches it off.)
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from ..base.librarymessages import telling_line
from ..base.progress import Progress
from ..errors import ModelError, ParameterError, RasterError
from ..files.staging import Staging
from ..patches.patchesarrays import gdal_open
from ..patches.patchesarrays import read_as_np_arr as read_as_np_arr_from_gdal_ds
from ..phrases import Phrase

__all__ = [
    "CheckpointToSavedModel",
    "CreateSavedModel",
    "ckpt_to_savedmodel",
    "create_savedmodel",
    "gdal_open",
    "read_as_np_arr_from_gdal_ds",
    "read_image_as_np",
    "read_samples",
    "tf",
]
"""What `from tricks import *` brings: OTBTF's names, and TensorFlow 1 as `tf`."""


def create_savedmodel(
    sess: Any, inputs: Iterable[str], outputs: Iterable[str], directory: str | os.PathLike[str]
) -> None:
    """Save a session's graph with its variables as a SavedModel.

    Args:
        sess: a `tf.compat.v1.Session` whose variables are initialised.
        inputs: names of tensors, such as `x:0` (`:0` may be left out); the signature's inputs are called so.
        outputs: names of tensors, such as `prediction:0`; the signature's outputs are called so.
        directory: the SavedModel's folder. An older SavedModel is replaced once the new one is whole.

    Raises:
        ModelError: the graph has no such tensor, or a variable has no value.
        ParameterError: there is something else than a SavedModel in the folder, or it cannot be written.
    """
    graph = sess.graph
    feeds, fetches = ({name: _tensor(graph, name) for name in names} for names in (inputs, outputs))
    with _replaced(Path(directory)) as folder, graph.as_default():
        signature = tf.saved_model.signature_def_utils.predict_signature_def(feeds, fetches)
        builder = tf.saved_model.Builder(str(folder))
        try:
            builder.add_meta_graph_and_variables(
                sess, [tf.saved_model.tag_constants.SERVING], {"serving_default": signature}, clear_devices=True
            )
        except tf.errors.FailedPreconditionError as error:
            raise ModelError(
                "A variable has no value ({first_line}): run tf.compat.v1.global_variables_initializer() in the "
                "session, or restore a checkpoint, before the model is saved.",
                first_line=telling_line(error),
            ) from error
        builder.save()


def ckpt_to_savedmodel(
    ckpt_path: str | os.PathLike[str],
    inputs: Iterable[str],
    outputs: Iterable[str],
    savedmodel_path: str | os.PathLike[str],
    clear_devices: bool = False,
) -> None:
    """Make a SavedModel of a TensorFlow 1 checkpoint.

    Args:
        ckpt_path: path of the checkpoint's files up to `.meta`, `.index` and `.data-...`.
        inputs: see `create_savedmodel`.
        outputs: see `create_savedmodel`.
        savedmodel_path: the SavedModel's folder; see `create_savedmodel`.
        clear_devices: forget on which devices the graph was placed; needed where they are not on this machine.

    Raises:
        ModelError: the checkpoint is missing, damaged, or not of TensorFlow 1; see also `create_savedmodel`.
        ParameterError: see `create_savedmodel`.
    """
    path = os.fspath(ckpt_path)
    if not os.path.exists(f"{path}.meta"):
        raise ModelError(
            "There is no {path}.meta: give the path of the checkpoint's files without .meta, .index or .data-..., "
            "as tf.compat.v1.train.Saver wrote them.",
            path=path,
        )
    with tf.Graph().as_default(), tf.Session() as sess:
        try:
            saver = tf.train.import_meta_graph(f"{path}.meta", clear_devices=clear_devices)
            saver.restore(sess, path)
        except (tf.errors.OpError, ValueError, OSError, AttributeError) as error:  # the last: there are no variables
            raise ModelError(
                "The checkpoint {path} cannot be restored ({first_line}): copy its three files again, and set "
                "clear_devices where it was made on other devices.",
                path=path,
                first_line=telling_line(error),
            ) from error
        create_savedmodel(sess, inputs, outputs, savedmodel_path)


CreateSavedModel = create_savedmodel
CheckpointToSavedModel = ckpt_to_savedmodel
"""OTBTF's older names."""


def read_image_as_np(filename: Any, as_patches: bool = False) -> np.ndarray:
    """Read a whole raster.

    Args:
        filename: what `gdal_open` takes.
        as_patches: True for a patches image.

    Returns:
        See `read_as_np_arr`.

    Raises:
        RasterError: it cannot be read.
    """
    return read_as_np_arr_from_gdal_ds(gdal_open(filename), as_patches=as_patches)


def read_samples(filename: Any) -> np.ndarray:
    """Read a patches image; see `read_image_as_np`."""
    return read_image_as_np(filename, as_patches=True)


def _tensor(graph: tf.Graph, name: str) -> Any:
    try:
        return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
    except (KeyError, ValueError):
        known = [tensor.name for operation in graph.get_operations() for tensor in operation.outputs]
        near = difflib.get_close_matches(name, known, n=1)
        hint = (
            Phrase("Did you mean {near}?", near=near[0])
            if near
            else Phrase("Give tensors a name where the graph is built: name='x'.")
        )
        raise ModelError("The graph has no tensor {name!r}. {hint}", name=name, hint=hint) from None


@contextmanager
def _replaced(directory: Path) -> Iterator[Path]:
    """Yield a path beside `directory` to write to, and move it there at the end; an older SavedModel steps aside."""
    if directory.exists() and not (directory / "saved_model.pb").exists() and any(directory.iterdir()):
        raise ParameterError("{directory} exists and is no SavedModel: name a new folder.", directory=directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with Staging(str(directory), Progress()) as staging:
            yield staging.path
            staging.commit()
    except (OSError, ParameterError, RasterError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ParameterError(
            "Cannot write the SavedModel {directory}: {reason}.", directory=directory, reason=reason.rstrip(".")
        ) from error
