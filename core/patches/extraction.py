"""The work of PatchesExtraction: from sources and points to patches images, labels and TFRecords."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..classes.legend import read_texts
from ..errors import ParameterError, field
from ..files.inputs import watched
from ..files.staging import Staging
from ..operations.patchesmosaic import PatchesMosaic
from ..parameters.nodatarules import WITH_GAPS, rule_of
from ..phrases import Phrase
from ..rasters.alpha import open_images, said
from ..rasters.conversion import Converter
from ..rasters.dates import dated_names
from ..rasters.outputfields import OutputFields
from ..rasters.outputtrial import CLASSES, content_of
from ..rasters.pixeltypes import check_fits, written_type
from ..rasters.rasteroutput import creation_options, driver_for
from ..records.recordwriting import Feature, RecordsWriter, check_folder
from ..samples.spatialblocks import block_numbers, block_side
from ..vectors.vectorlayer import VectorLayer
from .cutting import cut
from .mosaic import make_mosaic
from .patchesimage import PatchesImage, described_patches, try_patches, write_description
from .patchlabels import class_rows, label_type
from .patchpoints import PatchPoints, PatchSource, describe_rejected, locate
from .patchstore import PatchStore
from .targetimage import TargetPatches

if TYPE_CHECKING:
    from ..operations.patchesextraction import PatchesExtraction, Source

_MEMORY = 512  # MB
_PART = 16.0  # MB of patches written at a time
_LABEL_FIELDS = OutputFields(field("outlabels_pixeltype"), field("outlabels_co"))


def extract_patches(parameters: PatchesExtraction, progress: Progress) -> dict[str, Any]:
    """Cut the patches and write them with their labels.

    Returns:
        The outputs' paths by key; `patches`, their number; `rejected`, that of the features left out, and
        `reasons`, a JSON text of the reasons with the number for each.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    _options(parameters)  # wrong ones are refused before work starts
    layer = VectorLayer(parameters.vec)
    class_field = layer.field(parameters.field)
    sources = [_opened(number, source, parameters, progress) for number, source in enumerate(parameters.sources, 1)]
    for source, given in zip(sources, parameters.sources):
        source.check()
        _check_gap(source, written_type(source.stack.dtype.name, given.out_pixeltype))
    outputs = _output_paths(parameters)
    if parameters.out_tfrecords:
        check_folder(parameters.out_tfrecords, field("out_tfrecords"))
    if parameters.out_mosaic:
        driver_for(parameters.out_mosaic)  # an unknown format is told of before the patches are cut
    target = TargetPatches(parameters, sources[0], progress) if parameters.objects else None
    points = locate(layer, class_field, sources, progress)
    labels_type = label_type(points.labels, parameters.outlabels_pixeltype)
    with ExitStack() as context:
        places = {key: context.enter_context(Staging(path, progress)) for key, path in outputs.items()}
        _try_formats(parameters, places, sources, len(points), labels_type)
        if target is not None:
            target.try_format(places["out.objects"], len(points))
        folder = next(iter(places.values())).folder
        stores = _stores(sources, points, folder, (parameters.memory or parameters.ram or _MEMORY) / 2)
        for store in stores:
            context.callback(store.close)
        valid = _cut_all(sources, points, stores, progress)
        if not valid.any():
            raise _nothing_left(sources, points)
        if target is not None:
            target.thin_out(points, valid)
            target.open(places["out.objects"], points, valid)
        if points.rejected:
            progress.info(describe_rejected(points.rejected))
        writer = _Writer(parameters, sources, points, valid, labels_type, places, target)
        writer.write(stores, progress)
        writer.close(progress)
        if "out.mosaic" in places:
            _show(places, progress)
        for store in stores:
            store.close()
        for place in places.values():
            place.commit()
    count = int(valid.sum())
    progress.info(Phrase("{count} {count:patch was|patches were} written.", count=count))
    reasons = json.dumps(dict(points.rejected), ensure_ascii=False)
    return {**outputs, "patches": count, "rejected": sum(points.rejected.values()), "reasons": reasons}


def _opened(number: int, source: Source, parameters: PatchesExtraction, progress: Progress) -> PatchSource:
    stack = open_images(source.il, parameters.alpha, progress)
    rule = rule_of(parameters, WITH_GAPS)
    missing = stack.missing(source.nodata, parameters.nodata_from_layer, rule=rule)
    return PatchSource(number, stack, source.patchsizex, source.patchsizey, missing, rule)


def _nothing_left(sources: Sequence[PatchSource], points: PatchPoints) -> ParameterError:
    """Return the error that every patch holds no-data; it names the rules by which more would be accepted, if any."""
    rejected, nodata = describe_rejected(points.rejected), field("nodata", of="sources", number=1)
    rules = {
        "nodata_rule": any(s.rule.bands_allowed(s.stack.bands) < s.stack.bands - 1 for s in sources),
        "nodata_pixels": any(s.rule.pixels_allowed(s.width * s.height) < s.width * s.height - 1 for s in sources),
    }
    if not any(rules.values()):
        return ParameterError(
            "Every patch holds no-data. {rejected} Not one has a valid value, whatever the band: check the images and the "
            "no-data values ({nodata}).",
            rejected=rejected,
            nodata=nodata,
        )
    return ParameterError(
        "Every patch holds no-data. {rejected} Accept patches with some missing values in {rules}, or check the no-data "
        "values ({nodata}).",
        rejected=rejected,
        rules=Phrase(" and ").join(field(name) for name, applies in rules.items() if applies),
        nodata=nodata,
    )


def _check_gap(source: PatchSource, dtype: np.dtype) -> None:
    """Raise ParameterError where the pixel type of the patches does not hold what stands for missing values."""
    if source.gap is not None and dtype != source.stack.dtype:
        check_fits(source.gap, dtype, field("nodata", of="sources", number=source.number))


def _output_paths(parameters: PatchesExtraction) -> dict[str, str]:
    """Return the outputs asked for, by key."""
    paths = {f"source{number}.out": source.out for number, source in enumerate(parameters.sources, 1)}
    paths["outlabels"] = parameters.outlabels
    paths["out.objects"] = parameters.out_objects
    paths["out.mosaic"] = parameters.out_mosaic
    paths["out.tfrecords"] = parameters.out_tfrecords
    return {key: path for key, path in paths.items() if path}


def _show(places: dict[str, Staging], progress: Progress) -> None:
    """Make the mosaic of the first source's patches, while all outputs are in their staging."""
    image, out = (str(places[key].path) for key in ("source1.out", "out.mosaic"))
    labels = str(places["outlabels"].path) if "outlabels" in places else None
    with watched(progress):  # a step whose inputs are moved to their places after it
        make_mosaic(PatchesMosaic(image=image, labels=labels, out=out), progress)


def _source_fields(number: int) -> OutputFields:
    """Return the parameters of a source's patches image, for messages."""
    return OutputFields(field("out_pixeltype", "sources", number), field("out_co", "sources", number))


def _options(parameters: PatchesExtraction) -> dict[str, list[str]]:
    """Return the creation options of the images, by their keys."""
    options = {
        f"source{number}.out": creation_options(source.out_co, _source_fields(number).options)
        for number, source in enumerate(parameters.sources, 1)
    }
    return {**options, "outlabels": creation_options(parameters.outlabels_co, _LABEL_FIELDS.options)}


def _shapes_and_types(
    parameters: PatchesExtraction, sources: Sequence[PatchSource]
) -> tuple[list[tuple[int, int, int]], list[np.dtype]]:
    """Return height, width and bands of each source's patches, and the dtype in which they are written."""
    shapes = [(source.height, source.width, source.stack.bands) for source in sources]
    given = zip(sources, parameters.sources)
    return shapes, [written_type(source.stack.dtype.name, values.out_pixeltype) for source, values in given]


def _try_formats(
    parameters: PatchesExtraction,
    places: dict[str, Staging],
    sources: Sequence[PatchSource],
    count: int,
    labels_type: np.dtype,
) -> None:
    """Raise RasterError if an output's format cannot hold its values, before patches are cut."""
    shapes, dtypes = _shapes_and_types(parameters, sources)
    options = _options(parameters)
    for number, (shape, dtype) in enumerate(zip(shapes, dtypes), 1):
        if (key := f"source{number}.out") in places:
            try_patches(
                places[key], count, shape, dtype, content_of(shape[2], dtype), options[key], _source_fields(number)
            )
    if "outlabels" in places:
        try_patches(places["outlabels"], count, (1, 1, 1), labels_type, CLASSES, options["outlabels"], _LABEL_FIELDS)


def _stores(sources: Sequence[PatchSource], points: PatchPoints, folder: Path, megabytes: float) -> list[PatchStore]:
    in_memory = len(points) * sum(source.patch_bytes for source in sources) <= megabytes * 1e6
    return [
        PatchStore(
            len(points),
            (source.height, source.width, source.stack.bands),
            source.stack.dtype,
            None if in_memory else folder / f"patches{source.number}.partial",
        )
        for source in sources
    ]


def _cut_all(
    sources: Sequence[PatchSource], points: PatchPoints, stores: Sequence[PatchStore], progress: Progress
) -> np.ndarray:
    """Cut the patches of all sources; return which points have one without no-data in each."""
    valid = np.ones(len(points), bool)
    for index, (source, store) in enumerate(zip(sources, stores)):
        share = 0.6 / len(sources)
        span = (0.1 + index * share, 0.1 + (index + 1) * share)
        number = cut(source, points.columns[index], points.rows[index], store, valid, progress, span)
        if number:
            points.rejected[Phrase("with no-data in source {number}", number=source.number)] += number
    return valid


class _Writer:
    """Writes the outputs that are asked for, patch after patch in the order of the features."""

    def __init__(
        self,
        parameters: PatchesExtraction,
        sources: Sequence[PatchSource],
        points: PatchPoints,
        valid: np.ndarray,
        labels_type: np.dtype,
        places: dict[str, Staging],
        target: TargetPatches | None,
    ) -> None:
        self._parameters, self._sources, self._points, self._valid = parameters, sources, points, valid
        self._target = target
        self._count = int(valid.sum())
        self._shapes, self._dtypes = _shapes_and_types(parameters, sources)
        options = _options(parameters)
        self._images: list[PatchesImage | None] = [
            PatchesImage(
                places[key],
                self._count,
                shape,
                dtype,
                content_of(shape[2], dtype),
                options[key],
                _source_fields(n),
                sources[n - 1].gap,
            )
            if (key := f"source{n}.out") in places
            else None
            for n, (shape, dtype) in enumerate(zip(self._shapes, self._dtypes), 1)
        ]
        self._classes = class_rows(points, read_texts(parameters.vec, parameters.field))
        self._labels_type = labels_type
        self._labels = (
            PatchesImage(
                places["outlabels"],
                self._count,
                (1, 1, 1),
                labels_type,
                CLASSES,
                options["outlabels"],
                _LABEL_FIELDS,
            )
            if "outlabels" in places
            else None
        )
        self._converters = [
            image.convert if image else Converter(dtype, 0.0) for image, dtype in zip(self._images, self._dtypes)
        ]
        self._records: RecordsWriter | None = None
        if "out.tfrecords" in places:
            features = [Feature(f"source{n}", s, d) for n, (s, d) in enumerate(zip(self._shapes, self._dtypes), 1)]
            features.append(Feature("label", (1, 1, 1), labels_type))
            self._records = RecordsWriter(places["out.tfrecords"].path, features, self._count, self._classes)

    def write(self, stores: Sequence[PatchStore], progress: Progress) -> None:
        each = sum(source.patch_bytes for source in self._sources)
        step = max(1, int(_PART * 1e6) // each)
        for start in range(0, len(self._points), step):
            progress.check()
            end = min(start + step, len(self._points))
            keep = self._valid[start:end]
            labels = self._points.labels[start:end][keep].astype(self._labels_type).reshape(-1, 1, 1, 1)
            tensors = {"label": labels}
            for number, (store, image, convert) in enumerate(zip(stores, self._images, self._converters), 1):
                patches = store.get(start, end)
                patches = patches if keep.all() else patches[keep]
                tensors[f"source{number}"] = image.write(patches) if image else convert(patches)
            if self._labels is not None:
                self._labels.write(labels)
            if self._target is not None:
                self._target.write(len(labels))
            if self._records is not None:
                self._records.write(tensors)
            progress.fraction(0.7 + 0.3 * end / len(self._points))

    def _neighbours(self) -> np.ndarray:
        """Return for each patch the number of the block of the first source in which it lies."""
        first = self._sources[0]
        side = block_side(max(first.width, first.height), first.stack.grid.width, first.stack.grid.height)
        return block_numbers(self._points.columns[0][self._valid], self._points.rows[0][self._valid], side)

    def close(self, progress: Progress) -> None:
        """Close all outputs and write their descriptions; warn of values that were changed."""
        for number, convert in enumerate(self._converters, 1):
            for told in convert.told(_source_fields(number).pixel_type, "0"):
                progress.warning(Phrase("Source {number}: {told}", number=number, told=told))
        samples: dict[str, Any] = {"points": str(self._parameters.vec), "field": self._parameters.field}
        if self._parameters.outlabels:
            samples["labels"] = Path(self._parameters.outlabels).name
        samples["classes"] = self._classes
        groups = " ".join(map(str, self._neighbours().tolist()))  # in one line of the JSON
        for image, source, shape in zip(self._images, self._sources, self._shapes):
            if image is not None:
                image.close(progress)
                files = list(source.stack.names)
                alpha = {"alpha": said(source.stack)} if said(source.stack) else {}
                gap = {} if source.gap is None else {"nodata": repr(source.gap)}
                names = dated_names(source.stack)
                named = {"band_names": names} if any(names) else {}
                content = described_patches(
                    shape,
                    self._count,
                    image.dtype,
                    files,
                    image.statistics,
                    {**samples, **alpha, **gap, **named, "groups": groups},
                )
                write_description(image.staging, content)
        if self._labels is not None:
            self._labels.close(progress)
            content = {"content": "labels", "patches": self._count, "pixel_type": self._labels_type.name, **samples}
            write_description(self._labels.staging, content)
        if self._target is not None:
            self._target.close(groups, progress)
        if self._records is not None:
            self._records.close()
