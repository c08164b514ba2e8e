"""Several contrasts, one error: p-values adjusted for how many were looked at."""

from collections.abc import Mapping


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm-adjusted p-values of a family, by the same names (Holm 1979): with them, the chance of
    one false positive or more is at most the level, however the tests depend on one another."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return {}
    adjusted = multipletests(list(p_values.values()), method="holm")[1]
    return dict(zip(p_values, (float(p) for p in adjusted), strict=True))
