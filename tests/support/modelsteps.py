"""Steps of graphical models."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
)

Source = QgsProcessingModelChildParameterSource


def step(model: QgsProcessingModelAlgorithm, name: str, result: str = "", **values: Any) -> None:
    """Add one of our algorithms to a model, as the designer does.

    Args:
        model: the model.
        name: of the algorithm, which is also that of the step.
        result: name of its output that is one of the model, called like the step; empty for none.
        values: of its parameters: values, pairs of another step and the name of its output, or other sources.
    """
    child = QgsProcessingModelChildAlgorithm(f"otbtf:{name}")
    child.setChildId(name)
    known = {each.name(): each.defaultValue() for each in child.algorithm().parameterDefinitions()}
    assert set(values) <= set(known)
    # The designer stores the defaults that its form shows.
    shown = {key: value for key, value in known.items() if value not in (None, "", [])}
    for key, value in {**shown, **values}.items():
        child.addParameterSources(key, [_source(value)])
    if result:
        output = QgsProcessingModelOutput(name)
        output.setChildId(name)
        output.setChildOutputName(result)
        child.setModelOutputs({name: output})
    model.addChildAlgorithm(child)


def _source(value: Any) -> Source:
    if isinstance(value, Source):
        return value
    return Source.fromChildOutput(*value) if isinstance(value, tuple) else Source.fromStaticValue(value)
