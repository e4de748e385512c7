"""Expressions in the language of OTB's BandMathX and BandMath."""
