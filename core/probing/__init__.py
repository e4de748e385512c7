"""Probing of models: sizes, geometry and receptive field, found by calling the model; and the description of a model."""
