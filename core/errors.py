"""What can go wrong, under one root.

Every message names the value, the cause and the cure: it reaches the user as it stands.
"""

from __future__ import annotations


class OtbtfError(Exception):
    """Something that the user can understand and mend; the message says how."""


class ParameterError(OtbtfError):
    """A parameter is unknown, missing, or has a value that cannot be right."""


class RasterError(OtbtfError):
    """A raster cannot be opened, read, created or written."""


class RecordsError(OtbtfError):
    """TFRecords, or the descriptions beside them, cannot be read or written."""


class VectorError(OtbtfError):
    """A vector layer cannot be opened, read, created or written."""


class ModelError(OtbtfError):
    """A model cannot be loaded, is not to be trusted, or does not fit its inputs."""


class TrainingError(OtbtfError):
    """Training cannot go on; what it has reached is kept."""


class ClassifierError(OtbtfError):
    """A classifier cannot be read or written, is not to be trusted, or does not fit its features."""


class EngineError(OtbtfError):
    """The engine (the Python process that runs TensorFlow) is missing, broken or has died."""


class Cancelled(Exception):
    """The user asked to stop. Not an error, and not an OtbtfError: nobody may swallow it."""
