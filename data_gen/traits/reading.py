"""Fiction or nonfiction."""

from data_gen.traits._trait import Asked, asked

TRAIT = asked(
    "reading",
    Asked(
        policies=("fiction", "nonfiction"),
        field="reading",
        does=("read fiction more than nonfiction", "read nonfiction more than fiction"),
        person=("a reader of fiction", "a reader of nonfiction"),
        words=(
            ("fiction", "fictional", "novels", "stories", "tales"),
            ("nonfiction", "factual", "essays", "biographies", "facts"),
        ),
    ),
)
