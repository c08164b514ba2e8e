"""Intervals and multiplicity."""
