"""Intervals, multiplicity and power."""
