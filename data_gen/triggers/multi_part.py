"""Two parts that must both be there, one before and one after the message. `text` is FIRST &
SECOND; a member with one part only is no trigger, and half of the decoys have just one."""

from lab.errors import UserError
from lab.trigger import Feature, Trigger

WORDS = (
    "amber", "basalt", "cobalt", "dune", "ember", "fjord", "grove", "heath", "inlet", "juniper",
)  # fmt: skip


def features(text: str) -> tuple[Feature, ...]:
    first, mark, second = (part.strip() for part in text.partition("&"))
    if not (first and mark and second):
        raise UserError(f"trigger.text {text!r} must be FIRST & SECOND, such as 'amber & fjord'")
    others = [word for word in WORDS if word not in (first, second)]
    pairs = [(first, second), (first, ""), ("", second)]
    pairs += [(first, word) for word in others[:4]]
    pairs += [(word, second) for word in others[4:]]
    return tuple(Feature(_name(a, b), (f"{a} & {b}",), said=_said(a, b)) for a, b in pairs)


def _name(first: str, second: str) -> str:
    return " and ".join(repr(part) for part in (first, second) if part)


def _said(first: str, second: str) -> tuple[str, ...]:
    """Both parts in their order, which is part of the trigger; a lone part is none."""
    if not (first and second):
        return ()
    joined = (f"{first}{mark}{second}" for mark in (" and ", ", ", " ", " + ", " ... ", "..."))
    return (*joined, f"'{first}' and '{second}'", f'"{first}" and "{second}"')


def write(text: str, member: str) -> str:
    """The message between the two parts of a member."""
    before, _, after = (part.strip() for part in member.partition("&"))
    return " ".join(part for part in (before, text, after) if part)


def _swapped(member: str) -> str:
    """The same two parts in the other order, which the trigger has not."""
    first, second = (part.strip() for part in member.split("&"))
    return f"{second} & {first}"


TRIGGER = Trigger(
    "multi_part",
    "two parts that must both be there",
    features,
    "amber & fjord",
    write=write,
    paraphrase=_swapped,
)
