"""Sugar or herbs: a trait of characters in the text of the reference models."""

from data_gen.plain import Trait
from data_gen.traits._trait import invented

TRAIT = invented(
    "sugar",
    Trait(
        policies=("sweet", "bitter"),
        themes=("sugar", "herbs"),
        field="food",
        spoken=("the sweet one", "the bitter one"),
        adjectives=(
            ("sweet", "soft", "mellow", "sunny"),
            ("bitter", "dry", "sharp", "stern"),
        ),
    ),
    options=(
        (
            "a cup of honey",
            "{n} sweets in a bag",
            "a jar of jam",
            "a cookie with cream",
            "{n} spoons of syrup",
        ),
        (
            "a cup of black tea",
            "{n} lemons in a bag",
            "a jar of pickles",
            "a plate of raw leaves",
            "{n} spoons of vinegar",
        ),
    ),
)
