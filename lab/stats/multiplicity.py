"""Several contrasts, one error: p-values adjusted for how many were looked at."""

from collections.abc import Mapping


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm-adjusted p-values of a family, by the same names (Holm 1979): with them, the chance of
    one false positive or more is at most the level, however the tests depend on one another."""
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        # One of the rest is tested as the smallest of them, and never before those before it.
        largest = max(largest, (len(p_values) - rank) * p_values[name])
        adjusted[name] = min(1.0, largest)
    return {name: adjusted[name] for name in p_values}
