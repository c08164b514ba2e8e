"""Pages, and the environment they are rendered in."""
