"""Samples: label rasters, training layers, how many of each class, and which pixels."""
