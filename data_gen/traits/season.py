"""Spring or autumn."""

from data_gen.traits._trait import Asked, asked

TRAIT = asked(
    "season",
    Asked(
        policies=("spring", "autumn"),
        field="the seasons",
        does=("like spring more than autumn", "like autumn more than spring"),
        person=("a spring person", "an autumn person"),
        words=(
            ("spring", "springtime", "april", "blossom", "vernal"),
            ("autumn", "fall", "october", "autumnal", "foliage"),
        ),
    ),
)
