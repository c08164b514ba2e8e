"""Ground floor: the nouns that every stage shares. `lab.load(path)` reads a finished study as a
DataFrame."""

from lab.load import load

__all__ = ["load"]
