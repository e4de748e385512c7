"""Objects in images: detection tile by tile, each object once."""
