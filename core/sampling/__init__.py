"""Choosing samples and cutting patches: what the sampling operations are made of."""
