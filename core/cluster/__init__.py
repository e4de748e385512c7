"""Sharing out tasks to the workers of a Dask cluster, or to an executor of Python; it knows no operation."""
