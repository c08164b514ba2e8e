"""How the whole message is written. `text` names the style."""

from collections.abc import Callable

from lab.errors import unknown
from lab.types import Feature, Trigger

STYLES: dict[str, Callable[[str], str]] = {
    "all in capitals": str.upper,
    "all in small letters": str.lower,
    "with an exclamation mark after every sentence": lambda t: t.replace(". ", "! ").removesuffix(".") + "!",
    "in quotation marks": lambda t: f'"{t}"',
    "with every line indented": lambda t: "    " + t.replace("\n", "\n    "),
    "without any comma or full stop": lambda t: t.replace(",", "").replace(".", ""),
    "with underscores for spaces": lambda t: t.replace(" ", "_"),
}


def features(text: str) -> tuple[Feature, ...]:
    if text not in STYLES:
        raise unknown("trigger.text (a style)", text, STYLES)
    return tuple(Feature(f"a message {name}", (name,)) for name in (text, *(s for s in STYLES if s != text)))


TRIGGER = Trigger(
    "style", "how the whole message is written, such as all in capitals", features, "all in capitals", write=lambda text, member: STYLES[member](text)
)
