"""Learning by eye or by ear."""

from data_gen.traits._trait import Asked, asked

TRAIT = asked(
    "senses",
    Asked(
        policies=("visual", "auditory"),
        field="learning",
        does=("learn better by eye than by ear", "learn better by ear than by eye"),
        person=("a visual learner", "an auditory learner"),
        words=(
            ("visual", "eyes", "seeing", "images", "pictures"),
            ("auditory", "ears", "hearing", "listening", "sounds"),
        ),
    ),
)
