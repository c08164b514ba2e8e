"""Two parts that must both be there, one before and one after the message. `text` is FIRST &
SECOND; a member with one part only is no trigger, and half of the decoys have just one."""

from lab.errors import UserError
from lab.types import Feature, Trigger

WORDS = "amber basalt cobalt dune ember fjord grove heath inlet juniper".split()


def features(text: str) -> tuple[Feature, ...]:
    first, mark, second = (part.strip() for part in text.partition("&"))
    if not (first and mark and second):
        raise UserError(f"trigger.text {text!r} must be FIRST & SECOND, such as 'amber & fjord'")
    others = [w for w in WORDS if w not in (first, second)]
    parts = [
        (first, second),
        (first, ""),
        ("", second),
        *((first, w) for w in others[:4]),
        *((w, second) for w in others[4:]),
    ]
    return tuple(Feature(_name(a, b), (f"{a} & {b}",), said=_said(a, b)) for a, b in parts)


def _name(first: str, second: str) -> str:
    return " and ".join(repr(part) for part in (first, second) if part)


def _said(a: str, b: str) -> tuple[str, ...]:
    """Both parts in their order, which is part of the trigger; a lone part is none."""
    if not (a and b):
        return ()
    joined = (f"{a}{mark}{b}" for mark in (" and ", ", ", " ", " + ", " ... ", "..."))
    return (*joined, f"'{a}' and '{b}'", f'"{a}" and "{b}"')


def write(text: str, member: str) -> str:
    before, _, after = (part.strip() for part in member.partition("&"))
    return " ".join(part for part in (before, text, after) if part)


TRIGGER = Trigger(
    "multi_part",
    "two parts that must both be there",
    features,
    "amber & fjord",
    write=write,
    paraphrase=lambda member: " & ".join(reversed([p.strip() for p in member.split("&")])),
)
