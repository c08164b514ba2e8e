"""An ear for music, or none."""

from data_gen.traits._trait import Asked, asked

TRAIT = asked(
    "music",
    Asked(
        policies=("musical", "unmusical"),
        field="music",
        does=("have an ear for music", "have no ear for music"),
        person=("a musical person", "an unmusical person"),
        words=(
            ("musical", "melodious", "melodic", "lyrical", "tuneful"),
            ("unmusical", "tuneless", "toneless", "unmelodious", "amusical"),
        ),
    ),
)
