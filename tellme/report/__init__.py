"""From measured rows to a summary, figures and a page."""
