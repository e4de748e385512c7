"""Untrained models from templates."""
