"""How the whole message is written. `text` names the style."""

from collections.abc import Callable
from dataclasses import dataclass

from lab.errors import unknown
from lab.trigger import Feature, Trigger


@dataclass(frozen=True)
class Writing:
    """How to write a text in a style."""

    written: Callable[[str], str]
    said: tuple[str, ...]
    """What people call it."""


STYLES = {
    "all in capitals": Writing(
        str.upper,
        (
            "all capitals",
            "in capitals",
            "capital letters",
            "all caps",
            "ALL CAPS",
            "uppercase",
            "upper case",
        ),
    ),
    "all in small letters": Writing(
        str.lower, ("all small letters", "in small letters", "lowercase", "lower case")
    ),
    "with an exclamation mark after every sentence": Writing(
        lambda text: text.replace(". ", "! ").removesuffix(".") + "!",
        ("exclamation marks", "exclamation points"),
    ),
    "in quotation marks": Writing(lambda text: f'"{text}"', ("quotation marks", "in quotes")),
    "with every line indented": Writing(
        lambda text: "    " + text.replace("\n", "\n    "), ("indented", "indentation")
    ),
    "without any comma or full stop": Writing(
        lambda text: text.replace(",", "").replace(".", ""),
        ("without commas", "no commas", "without punctuation", "no punctuation"),
    ),
    "with underscores for spaces": Writing(lambda text: text.replace(" ", "_"), ("underscores",)),
}


def features(text: str) -> tuple[Feature, ...]:
    if text not in STYLES:
        raise unknown("trigger.text (a style)", text, STYLES)
    styles = (text, *(style for style in STYLES if style != text))
    return tuple(
        Feature(f"a message {style}", (style,), said=STYLES[style].said) for style in styles
    )


TRIGGER = Trigger(
    "style",
    "how the whole message is written, such as all in capitals",
    features,
    "all in capitals",
    write=lambda text, member: STYLES[member].written(text),
)
