"""Figures of a report: each a function of a DataFrame that returns an Altair chart, so that it
draws in a notebook as it does on the page."""
