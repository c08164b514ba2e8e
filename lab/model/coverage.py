"""Whether files of weights and a model cover one another."""

from collections.abc import Collection, Mapping

from lab.errors import some_of

Misfit = str | tuple[str, object, object]
"""The name of a tensor; of one in another shape with both shapes."""
MISFITS = {
    "missing_keys": "lacks",
    "unexpected_keys": "has besides",
    "mismatched_keys": "has in another shape",
}
"""What transformers reports of files that do not cover a model, and how a refusal says it."""


def misfits(report: Mapping[str, Collection[Misfit]]) -> str:
    """What files lack and have too much, in words; empty where they and the model cover one
    another. transformers fills what is missing with random numbers and leaves out what it does not
    know; `report` is what it says of loading."""
    complaints = []
    for key, complaint in MISFITS.items():
        names = [name[0] if isinstance(name, tuple) else name for name in report[key]]
        if names:
            complaints.append(f"{complaint} {some_of(names)}")
    return ", ".join(complaints)
