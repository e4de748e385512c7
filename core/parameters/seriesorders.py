"""How the bands of a time series follow each other."""

DATE_MAJOR, BAND_MAJOR = "date-major", "band-major"
"""All bands of the first date first, or all dates of the first band."""

ORDERS = (DATE_MAJOR, BAND_MAJOR)
