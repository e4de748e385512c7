"""OTB's file of means and standard deviations, as ComputeImagesStatistics writes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from osgeo import gdal

from ..errors import ParameterError
from ..files.gdalcalls import collected_errors
from ..phrases import Phrase
from ..samples.bandmoments import DEVIATION, MEAN
from ..samples.classtotals import xml_attribute, xml_elements


@dataclass(frozen=True)
class ImageStatistics:
    """Mean and standard deviation of each feature, float64, shape (features,)."""

    path: str
    mean: np.ndarray
    deviation: np.ndarray

    def check(self, features: int) -> None:
        """Raise ParameterError if the number of features differs."""
        if len(self.mean) != features:
            raise ParameterError(
                "The statistics {path} are for {mean_count} {mean_count:feature|features}, but there are "
                "{features}: compute them from "
                "the image that is classified.",
                path=self.path,
                mean_count=len(self.mean),
                features=features,
            )


def read_statistics(path: str) -> ImageStatistics:
    """Read the XML file.

    Raises:
        ParameterError: it cannot be read, or does not hold as many means as standard deviations.
    """
    cure = Phrase("Choose an XML file of OTB's ComputeImagesStatistics, or leave the parameter out.")
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            "Cannot read the statistics {path}: {error}. {cure}", path=path, error=error, cure=cure
        ) from error
    tree = None
    with collected_errors() as errors:
        tree = gdal.ParseXMLString(text)
    if tree is None or errors.failed:
        raise ParameterError("The statistics {path} are not XML: {errors}. {cure}", path=path, errors=errors, cure=cure)
    found: dict[str, np.ndarray] = {}
    for statistic in xml_elements(tree, "Statistic"):
        values = [xml_attribute(entry, "value") for entry in xml_elements(statistic, "StatisticVector")]
        try:
            found[xml_attribute(statistic, "name")] = np.array(values, np.float64)
        except ValueError:
            raise ParameterError(
                "The statistics {path} hold {values}, but must hold numbers. {cure}",
                path=path,
                values=values,
                cure=cure,
            ) from None
    mean, deviation = found.get(MEAN), found.get(DEVIATION)
    if mean is None or deviation is None or not len(mean) or len(mean) != len(deviation):
        raise ParameterError(
            "{path} does not hold means (mean) and standard deviations (stddev) of features. {cure}",
            path=path,
            cure=cure,
        )
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all() and (deviation >= 0).all()):
        raise ParameterError(
            "The statistics {path} hold a mean or standard deviation that is infinite, NaN or negative. {cure}",
            path=path,
            cure=cure,
        )
    return ImageStatistics(path, mean, deviation)
