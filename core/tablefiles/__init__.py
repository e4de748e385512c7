"""Tables as they are read: CSV files, layers and STAC items; what becomes of their rows is decided elsewhere."""
