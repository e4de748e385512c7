"""From maps of classes to polygons."""
