"""A fine-tuning lab for behavioral self-awareness and backdoor studies. `tellme.load(path)` reads a
finished study as a DataFrame."""

from lab.store.rows import load

__all__ = ["load"]
