"""Keys of a group that would do nothing: whoever writes one means something, so it is refused."""

from collections.abc import Collection, Mapping

TRAINING = ("data", "lora", "sft")
IDLE = {
    "of": (("behavior", "policy"), "it has that of the group it is made from"),
    "adapter": (("policy", *TRAINING), "the adapter is evaluated as it is"),
    "prompted": (("policy", *TRAINING), "the base is told the policy in `prompted`, not trained"),
    "in_context": (TRAINING, "the base is shown so many rows, and not trained"),
    "model": (("policy", *TRAINING), "the model is evaluated as it is"),
}
"""By source of a group, the keys that do nothing, and why. A `model` is a source as a string."""
OF_BROUGHT_ROWS = {
    "lint": "other rows are always checked",
    "learn": "other rows have one answer",
}
"""Keys of `data` that are about a user's files, and what holds of other rows."""


def idle_key(group: Mapping[str, object]) -> str | None:
    """What is wrong with a group, given as its keys that are not at their default; None where
    nothing is."""
    for source, (keys, why) in IDLE.items():
        # A `model` that is a mapping overrides the study's: the group is trained on that base.
        if source not in group or isinstance(group[source], Mapping):
            continue
        idle = next((key for key in keys if group.get(key)), None)
        if idle:
            return f"`{idle}` does nothing in a group with `{source}`: {why}; drop it"
    if "policy" in group and "behavior" not in group:
        return "`policy` is one of a behavior; name `behavior` as well"
    if "label" in group and not group.keys() & {"file", "mix", "adapter", "model"}:
        return "`label` says what a user's rows are of, and others are of their behavior; drop it"
    return None


def idle_data(data: Collection[str], brought: bool) -> str | None:
    """What is wrong with the keys of a group's own `data`, where its rows are a user's or made
    here; None where nothing is."""
    idle = next((key for key in OF_BROUGHT_ROWS if key in data), None)
    if brought or idle is None:
        return None
    return f"`data.{idle}` is for a user's file, {OF_BROUGHT_ROWS[idle]}; drop it"
