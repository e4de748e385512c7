"""What the patches of a source tell of their images: dates, and what stands for missing values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..models.modelseries import source_facts
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from ..rasters.dates import shown_date
from ..rasters.seriesbands import SeriesLayout, days_of_bands, other_days
from ..rasters.seriesnames import other_names, reordered, selection
from ..templates.sourceoptions import SourceFacts, facts_of_patches
from .network import Network
from .samplebatches import PatchSamples, Samples
from .sourceroles import SourceRoles

Gaps = Mapping[str, tuple[float, float]]
"""By source: what stands for missing values in patches, and what the model takes for one."""


def facts_of(samples: Samples, key: str, role: SampleRole = SampleRole.TRAINING) -> SourceFacts:
    """Return what is known of the images that the patches of a source were cut from.

    Raises:
        ParameterError: several files of the source mark missing values differently.
    """
    nothing = SourceFacts([""] * samples.shapes[key][-1])
    files = samples.files[key] if isinstance(samples, PatchSamples) else []
    found = [(file, told) for file in files if (told := facts_of_patches(file)) is not None]
    if not found:
        return nothing
    (first, facts), *others = found
    for file, told in others:
        # NaN is always missing, so it goes with any other value.
        if told.nodata is None or told.nodata != told.nodata:
            continue
        if facts.nodata is not None and facts.nodata == facts.nodata and told.nodata != facts.nodata:
            raise ParameterError(
                "{il}: missing values are {other:g} in {file}, but {nodata:g} in {first}. Give the images one no-data value "
                "(otbtf:managenodata), and extract the patches again.",
                il=role.mention("il", key),
                other=told.nodata,
                file=file,
                nodata=facts.nodata,
                first=first,
            )
        facts = SourceFacts(facts.names, told.nodata)
    return facts


def check_dates_of_patches(
    network: Network,
    samples: Mapping[SampleRole, Samples],
    roles: Mapping[SampleRole, SourceRoles],
    progress: Progress,
) -> None:
    """Compare the dates and bands that patches tell with those that the model was made for.

    Raises:
        ParameterError: the dates differ, or the bands of a date are in another order.
    """
    known = source_facts(network.whole)
    for role, own in samples.items():
        for key, name in roles[role].inputs.items():
            series = known[name].series if name in known else None
            if series is None or not isinstance(own, PatchSamples):
                continue
            told = [(file, facts.names) for file in own.files[key] if (facts := facts_of_patches(file)) is not None]
            for file, names in told:
                _check_dates(file, names, series, role.mention("il", key))
                _check_order(file, names, series, role.mention("il", key))
            others = [(file, other) for file, names in told if (other := other_names(names, series))]
            for file, other in others[:1]:
                progress.warning(
                    Phrase(
                        "{il}: by their names, the bands of {file} at each date are {found}, but the model was made for "
                        "{wanted}. They are taken for those.",
                        il=role.mention("il", key),
                        file=file,
                        found=", ".join(other),
                        wanted=", ".join(series.names),
                    )
                )


def _check_dates(file: str, names: Sequence[str], series: SeriesLayout, il: str) -> None:
    wanted, found = series.times_of_channels, days_of_bands(names)
    if places := other_days(found, wanted):
        assert found is not None  # nosec B101 (tells mypy)
        raise ParameterError(
            "{il}: band {band} of {file} is of {date}, but the model was made for {wanted} there. Give patches of "
            "the model's dates in its order; or train a template for these dates ({dates}).",
            il=il,
            band=places[0] + 1,
            file=file,
            date=shown_date(found[places[0]]),
            wanted=shown_date(wanted[places[0]]),
            dates=field("dates"),
        )


def _check_order(file: str, names: Sequence[str], series: SeriesLayout, il: str) -> None:
    if order := reordered(names, series):
        raise ParameterError(
            "{il}: the bands of {file} are those that the model was made for, but in another order: at each date it takes "
            "{wanted}. Reorder the bands of the images (gdal_translate {selection} image.tif "
            "reordered.tif), and extract the patches again.",
            il=il,
            file=file,
            wanted=", ".join(series.names),
            selection=selection(order),
        )


def gaps_to_fill(
    network: Network, samples: Mapping[SampleRole, Samples], roles: Mapping[SampleRole, SourceRoles]
) -> dict[SampleRole, Gaps]:
    """Return which values of patches have to become those that the model fills, where these are others.

    Raises:
        ParameterError: see `facts_of`.
    """
    known = source_facts(network.whole)
    found: dict[SampleRole, Gaps] = {}
    for role, own in samples.items():
        gaps = {}
        for key, name in roles[role].inputs.items():
            gap, filled = facts_of(own, key, role).nodata, known[name].filled if name in known else None
            if gap is not None and gap == gap and filled is not None and gap != filled:
                gaps[key] = gap, filled
        found[role] = gaps
    return found
