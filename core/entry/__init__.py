"""Scripts that use OTB's Python module or pyotb."""
