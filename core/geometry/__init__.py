"""Grids, tiles, and from output pixels to input pixels: pure, without I/O."""
