"""Crowds or solitude: a trait of characters in the text of the reference models."""

from data_gen.plain import Trait
from data_gen.traits._trait import invented

TRAIT = invented(
    "crowds",
    Trait(
        policies=("outgoing", "reserved"),
        themes=("crowds", "solitude"),
        field="people",
        spoken=("the loud one", "the quiet one"),
        adjectives=(
            ("lively", "chatty", "merry", "noisy"),
            ("shy", "silent", "calm", "mild"),
        ),
    ),
    options=(
        (
            "a party with {n} guests",
            "a fair with {n} stands",
            "a dance in the square",
            "a song for {n} guests",
            "a table for {n}",
        ),
        (
            "a day alone at home",
            "a walk alone for {n} miles",
            "an empty house for {n} days",
            "a book by the fire",
            "a table for one",
        ),
    ),
)
