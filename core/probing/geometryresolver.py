"""The geometry of a model, from the user's settings and by probing the model on a sample of the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import ModelError
from ..geometry.fields import LARGEST_DENOMINATOR
from ..geometry.grid import Box
from ..machine.devices import Scope
from ..models.modelinterface import Model
from ..models.sidecar import Sidecar
from .answers import PATCHES, check_repeatable, depends_on_batch
from .appliedgeometry import Fields, choose_fields
from .classprobabilities import ClassProbabilities, find_class_probabilities
from .compute import Compute
from .fixedcontext import context_fields
from .outputlayout import LayoutError
from .probedoutputs import probed_outputs
from .probedsidecar import check_size_law, known_geometry
from .sizelaw import Probe, SizeLaw, find_size_law, size_law_at
from .sources import ModelInputs, OpenSource
from .tilemargins import SIDES, TileMargins, accepted_size, find_tile_margins, probed_sides
from .trialpixels import part
from .usersettings import GeometrySettings

SAMPLE = 320
"""Side in pixels of the sample of each source on which a model is probed."""

DRAWN = 20000
"""Number of pixels of a source from which the sample is drawn."""

_size_laws: dict[Any, SizeLaw] = {}
_probed_outputs: dict[Any, list[str]] = {}
_class_probabilities: dict[Any, ClassProbabilities] = {}
_alone: dict[Any, bool] = {}
_tile_margins: dict[Any, list[tuple[TileMargins, tuple[int, int]]]] = {}


class GeometryResolver:
    """Probes one model on one set of sources; what it finds is remembered while the engine lives.

    Attributes:
        key: stands for the model and for what is fed and asked.
        inputs: what goes into the model.
        ratios: pixels of each source per pixel of the first.
    """

    def __init__(
        self,
        model: Model,
        inputs: ModelInputs,
        outputs: Sequence[str],
        sources: Sequence[OpenSource],
        scope: Scope,
        sidecar: Sidecar | None = None,
        like: GeometryResolver | None = None,
    ) -> None:
        """Prepare.

        Args:
            model: the model.
            inputs: what goes into it.
            outputs: names of outputs.
            sources: that feed it.
            scope: the device.
            sidecar: of the model.
            like: finds out the size law, if it is that of another model.
        """
        self._model, self._scope, self._outputs = model, scope, list(outputs)
        self._sources, self.inputs = sources, inputs
        self.ratios = [_ratio(sources[0], source) for source in sources]
        self.key = (
            model.identity,
            tuple(outputs),
            tuple(info.name for info in inputs.images),
            tuple((name, value.tobytes()) for name, value in sorted(inputs.constants.items())),
            tuple(source.stack.bands for source in sources),
            tuple(self.ratios),
            sidecar and sidecar.digest,
        )
        self._sidecar, self._like = sidecar, like
        bands = [source.stack.bands for source in sources]
        self._described = known_geometry(sidecar, outputs, inputs, bands, self.ratios)
        self._probe: Probe | None = None
        self._size_law: SizeLaw | None = None  # by which `fields` went
        self._traced: dict[tuple[str, ...], Compute] = {}
        self._offsets = (0,) * len(sources)

    @property
    def probed_outputs(self) -> list[str]:
        """The probed outputs: for class numbers, the values that they are computed from."""
        if self.key not in _probed_outputs:
            _probed_outputs[self.key] = probed_outputs(self._model, self._outputs, self.probe_of)
        return _probed_outputs[self.key]

    def class_probabilities(self, wanted: str) -> ClassProbabilities:
        """Return the class probabilities of the only output; see `find_class_probabilities`."""
        if self.key not in _class_probabilities:
            output, known = self._outputs[0], self._sidecar.classes if self._sidecar else {}
            alike = [name for name, classes in known.items() if name != output and classes == known.get(output)]
            _class_probabilities[self.key] = find_class_probabilities(self._model, output, alike, self.probe_of, wanted)
        return _class_probabilities[self.key]

    @property
    def probe(self) -> Probe:
        """The probe, with samples of the values of the sources."""
        if self._probe is None:
            self._probe = self.probe_of(self.probed_outputs)
            self._probe.reset(self._offsets)
        return self._probe

    def probe_of(self, outputs: Sequence[str]) -> Probe:
        """Return what calls the model for some outputs, with samples of the values of the sources."""
        compute = self.computes(outputs)
        fixed = [(info.size(2), info.size(1)) if info.rank == 4 else (None, None) for info in self.inputs.images]
        return Probe(compute.one, self._samples, self.ratios, fixed, outputs)

    def computes(self, outputs: Sequence[str]) -> Compute:
        """Return what calls the model for some outputs, on images in the dtypes that it asks for."""
        if tuple(outputs) not in self._traced:
            compute = Compute(self._model, self.inputs, outputs, self._sources, self._scope, own_types=True)
            self._traced[tuple(outputs)] = compute
        return self._traced[tuple(outputs)]

    @cached_property
    def _samples(self) -> list[np.ndarray]:
        return [drawn_sample(source, info.dtype) for source, info in zip(self._sources, self.inputs.images)]

    def fields(self, given: GeometrySettings, patches: Mapping[str, tuple[int, int] | None]) -> Fields:
        """Return how the model is applied.

        Args:
            given: what the user gives.
            patches: by name of the input the width and height of the patches that it was trained on, where that is known.

        Raises:
            ParameterError, ModelError: see `choose_fields`.
        """
        trained = given.with_patches([patches.get(info.name) for info in self.inputs.images])
        if given.mode == "off":
            given = trained
        free = all(info.size(1) is None and info.size(2) is None for info in self.inputs.images)
        if given.patches_given and free:
            self._size_law = None
            return choose_fields(given, None, self.ratios)
        try:
            law: SizeLaw | None = self.size_law(given.offsets(self.ratios))
        except ModelError as error:
            if isinstance(error, LayoutError) or not given.complete:
                raise
            law = None
        self._size_law = law
        if law is not None and (law.x is None or law.y is None):  # patch by patch, whatever is asked for
            given = trained
        return choose_fields(given, law, self.ratios)

    def context_fields(self, side: int, given: GeometrySettings) -> Fields:
        """Return how the model is applied in windows of a fixed context.

        Args:
            side: of the windows, in pixels of the first source.
            given: what the user gives.

        Raises:
            ParameterError, ModelError: see `fixedcontext.context_fields`.
        """
        try:
            self._size_law = self.size_law(given.offsets(self.ratios))
        except LayoutError:
            raise
        except ModelError:  # it may take that size and hardly another
            self._size_law = size_law_at(self.probe, side)
        return context_fields(side, given, self._size_law, self.ratios)

    def size_law(self, offsets: tuple[int, ...] | None = None) -> SizeLaw:
        """Return what the model does to sizes.

        Raises:
            ModelError: it takes no size that was tried.
        """
        key = (self.key, offsets)
        if key not in _size_laws and self._like is not None:
            _size_laws[key] = self._like.size_law(offsets)
        elif key not in _size_laws:
            _size_laws[key] = self._described_size_law(offsets) or find_size_law(self.probe, offsets)
        self._offsets = _size_laws[key].offsets
        if self._probe is not None:
            self._probe.reset(self._offsets)
        return _size_laws[key]

    def _described_size_law(self, offsets: tuple[int, ...] | None) -> SizeLaw | None:
        """Return the size law in the sidecar, checked by calling the model; None if it does not cover this use."""
        if self._sidecar is None or self._described is None or offsets not in (None, self._described[0].offsets):
            return None
        law = self._described[0]
        self.probe.reset(law.offsets)
        check_size_law(self._sidecar, law, self.probe)
        return law

    def alone(self, fields: Fields) -> bool:
        """Return whether each patch must be computed alone, since its values depend on what else is in the batch.

        Raises:
            ModelError: the model is random.
        """
        fitting = tuple(fields.rfield(number) for number in range(len(self._sources)))
        key = (self.key, fields.fullyconv, fitting)
        if key not in _alone:
            sizes = self._common_sizes(self._size_law) if fields.fullyconv and self._size_law else fitting
            _alone[key] = self._checked(sizes, patches=not fields.fullyconv)
        return _alone[key]

    def check_repeatable(self, law: SizeLaw) -> None:
        """Raise ModelError where the model is random."""
        self._checked(self._common_sizes(law), patches=False)

    def _common_sizes(self, law: SizeLaw) -> list[tuple[int, int]]:
        """Return width and height of an image of each source that the model accepts and that suits probing."""
        if law.x is None or law.y is None:
            width, height = law.patch or (probed_sides(self.probe)[0] * self.probe.unit,) * 2
        elif law.x.fixed or law.y.fixed:
            width, height = law.x.rfield, law.y.rfield
        else:
            width = height = accepted_size(self.probe, law.x, probed_sides(self.probe)[0]) or law.x.rfield
        return [(int(width * r) + o, int(height * r) + o) for r, o in zip(self.ratios, law.offsets)]

    def _checked(self, sizes: Sequence[tuple[int, int]], patches: bool) -> bool:
        compute = self.computes(self.probed_outputs)
        count = (compute.batch or PATCHES) if patches else 1
        images = [
            np.stack([part(sample, number * width, width, height) for number in range(count)])
            for sample, (width, height) in zip(self._samples, sizes)
        ]
        call = compute if patches else compute.one
        switches = [name for name in self._model.used_inputs(self._outputs) if self._model.inputs[name].dtype == "bool"]
        check_repeatable(call, images, self._model.path, switches)
        return depends_on_batch(call, images, compute.batch is None)

    def tile_margins(
        self, affordable: Callable[[int], bool], whole: tuple[int, int], offsets: tuple[int, ...] | None = None
    ) -> TileMargins:
        """Return the tile margins; see `find_tile_margins`."""
        law = self.size_law(offsets)
        known = _tile_margins.setdefault((self.key, law.offsets), [])
        if not known and self._described and law == self._described[0]:
            known += self._described[1]
        for margins, size in known:
            if all((one - two) % margins.stride == 0 for one, two in zip(size, whole)):
                return margins
        found = find_tile_margins(self.probe, law, affordable, whole)
        if not found.whole or affordable(SIDES[-1]):  # another time, more memory may be allowed
            known.append((found, whole))
        return found


def _ratio(first: OpenSource, other: OpenSource) -> Fraction:
    spacing = first.stack.grid.x.spacing / other.stack.grid.x.spacing
    return Fraction(spacing).limit_denominator(LARGEST_DENOMINATOR)


def drawn_sample(source: OpenSource, dtype_name: str) -> np.ndarray:
    """Return a square of pixels of a source, in the dtype that the model takes.

    Its pixels are drawn from those in the middle that are not no-data, each value as often as another. So
    neighbours differ even where the image is flat, or one pixel wide: a shift that is no stride shows.
    """
    grid = source.stack.grid
    width, height = min(SAMPLE, grid.width), min(SAMPLE, grid.height)
    box = Box((grid.width - width) // 2, (grid.height - height) // 2, width, height)
    pixels = source.stack.read(box)
    valid = np.isfinite(pixels).all(axis=2)
    if source.nodata is not None:
        valid &= ~source.nodata.marked(pixels, box)
    dtype = np.dtype("float32") if dtype_name == "bfloat16" else np.dtype(dtype_name)
    generator = np.random.default_rng(0)
    kept = pixels[valid]
    if len(kept) > DRAWN:
        kept = kept[generator.integers(0, len(kept), DRAWN)]
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.unique(kept.astype(dtype), axis=0)
    if len(values) < 2:  # nothing to see: as good as noise
        noise = generator.random((DRAWN, source.stack.bands))
        values = (values[0] if len(values) else 0) + (noise if dtype.kind in "fc" else noise < 0.5)
        values = values.astype(dtype)
    return values[generator.integers(0, len(values), (SAMPLE, SAMPLE))]
