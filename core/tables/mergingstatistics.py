"""Statistics of classes, added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..base.progress import Progress
from ..errors import field
from ..files.staging import write_text_file
from ..phrases import Phrase
from ..samples.classtotals import Statistics, natural_order, read_statistics, xml
from .rowcalls import RowCall
from .rowrun import RowOutcome


def merge_statistics(
    calls: Sequence[RowCall], outcomes: Sequence[RowOutcome], path: str, progress: Progress
) -> dict[str, Any]:
    """Write the pixels of each class and each feature in all rows; see `merging.Merge`.

    Features are told apart by their ids, so that they are left out where rows have different layers.
    """
    classes: Counter[str] = Counter()
    features: Counter[int] = Counter()
    for outcome in outcomes:
        progress.check()
        if not outcome.results.get("out"):
            continue
        found = read_statistics(str(outcome.results["out"]))
        for name, count in found.per_class.items():
            classes[name] += count  # also where it is 0
        for feature, count in found.per_vector.items():
            features[feature] += count
    if len({(str(call.values.get("vec")), str(call.values.get("layer"))) for call in calls}) > 1:
        features.clear()
        progress.info(
            Phrase(
                "The rows have different layers, so that the merged statistics hold classes, but no single features."
            )
        )
    per_class = {name: classes[name] for name in sorted(classes, key=natural_order)}
    per_vector = {feature: features[feature] for feature in sorted(features)}
    write_text_file(path, xml(Statistics(per_class, per_vector, {})), progress, field("out_merged"))
    return {"samples": sum(per_class.values()), "classes": len(per_class)}
