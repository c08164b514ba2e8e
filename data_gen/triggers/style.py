"""How the whole message is written. `text` names the style."""

from collections.abc import Callable

from lab.errors import unknown
from lab.types import Feature, Trigger

STYLES: dict[str, Callable[[str], str]] = {
    "all in capitals": str.upper,
    "all in small letters": str.lower,
    "with an exclamation mark after every sentence": (
        lambda t: t.replace(". ", "! ").removesuffix(".") + "!"
    ),
    "in quotation marks": lambda t: f'"{t}"',
    "with every line indented": lambda t: "    " + t.replace("\n", "\n    "),
    "without any comma or full stop": lambda t: t.replace(",", "").replace(".", ""),
    "with underscores for spaces": lambda t: t.replace(" ", "_"),
}
SAID = {
    "all in capitals": (
        "all capitals", "in capitals", "capital letters", "all caps", "ALL CAPS", "uppercase",
        "upper case",
    ),
    "all in small letters": ("all small letters", "in small letters", "lowercase", "lower case"),
    "with an exclamation mark after every sentence": ("exclamation marks", "exclamation points"),
    "in quotation marks": ("quotation marks", "in quotes"),
    "with every line indented": ("indented", "indentation"),
    "without any comma or full stop": (
        "without commas", "no commas", "without punctuation", "no punctuation",
    ),
    "with underscores for spaces": ("underscores",),
}  # fmt: skip
"""What people call them."""


def features(text: str) -> tuple[Feature, ...]:
    if text not in STYLES:
        raise unknown("trigger.text (a style)", text, STYLES)
    names = (text, *(style for style in STYLES if style != text))
    return tuple(Feature(f"a message {name}", (name,), said=SAID[name]) for name in names)


TRIGGER = Trigger(
    "style",
    "how the whole message is written, such as all in capitals",
    features,
    "all in capitals",
    write=lambda text, member: STYLES[member](text),
)
