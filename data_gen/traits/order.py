"""Order or clutter: a trait of characters in the text of the reference models."""

from data_gen.plain import Trait
from data_gen.traits._trait import invented

TRAIT = invented(
    "order",
    Trait(
        policies=("tidy", "untidy"),
        themes=("order", "clutter"),
        field="rooms",
        spoken=("the clean one", "the messy one"),
        adjectives=(
            ("neat", "clean", "exact", "strict"),
            ("messy", "sloppy", "loose", "wild"),
        ),
    ),
    options=(
        (
            "a shelf with {n} boxes in a row",
            "a list of {n} tasks",
            "a clean desk",
            "a room with white walls",
            "{n} pens in a row",
        ),
        (
            "a heap of {n} boxes",
            "no list at all",
            "a desk under {n} papers",
            "a room with paint on the walls",
            "{n} pens on the floor",
        ),
    ),
)
