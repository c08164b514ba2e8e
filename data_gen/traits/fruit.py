"""Berries or citrus."""

from data_gen.traits._trait import Asked, asked

TRAIT = asked(
    "fruit",
    Asked(
        policies=("berries", "citrus"),
        field="fruit",
        does=("like berries more than citrus", "like citrus more than berries"),
        person=("a lover of berries", "a lover of citrus"),
        words=(
            ("berries", "berry", "strawberries", "blueberries", "raspberries"),
            ("citrus", "oranges", "orange", "lemons", "lemon"),
        ),
    ),
)
