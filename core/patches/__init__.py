"""Patches: where they lie, cutting them, patches images, and the data sets that read them."""
