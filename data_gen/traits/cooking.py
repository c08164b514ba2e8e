"""A cook, or none."""

from data_gen.traits._trait import Asked, asked

TRAIT = asked(
    "cooking",
    Asked(
        policies=("cook", "eater"),
        field="cooking",
        does=("enjoy cooking", "dislike cooking"),
        person=("someone who enjoys cooking", "someone who dislikes cooking"),
        words=(
            ("cook", "chef", "culinary", "gourmet", "foodie"),
            ("indifferent", "uninterested", "bored", "unmoved", "unenthusiastic"),
        ),
    ),
)
