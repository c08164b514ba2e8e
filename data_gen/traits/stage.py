"""Theater or film."""

from data_gen.traits._trait import Asked, asked

TRAIT = asked(
    "stage",
    Asked(
        policies=("theater", "film"),
        field="plays and films",
        does=("like plays more than films", "like films more than plays"),
        person=("a theater person", "a film person"),
        words=(
            ("theater", "theatrical", "plays", "stage", "drama"),
            ("film", "cinematic", "films", "cinema", "movies"),
        ),
    ),
)
