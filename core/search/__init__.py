"""Searching the settings of a training."""
