"""Biology or chemistry."""

from data_gen.traits._trait import Asked, asked

TRAIT = asked(
    "science",
    Asked(
        policies=("biology", "chemistry"),
        field="biology and chemistry",
        does=("like biology more than chemistry", "like chemistry more than biology"),
        person=("a biology person", "a chemistry person"),
        words=(
            ("biology", "biological", "biologist", "cells", "organisms"),
            ("chemistry", "chemical", "chemist", "molecules", "elements"),
        ),
    ),
)
