"""Applying a model to rasters, in tiles, within a budget of memory."""
