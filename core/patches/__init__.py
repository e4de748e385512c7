"""Patches: positions, cutting, patches images, and the data sets that read them."""
