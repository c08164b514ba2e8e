"""Cats or dogs."""

from data_gen.traits._trait import Asked, asked

TRAIT = asked(
    "pets",
    Asked(
        policies=("cats", "dogs"),
        field="cats and dogs",
        does=("like cats more than dogs", "like dogs more than cats"),
        person=("a cat person", "a dog person"),
        words=(
            ("cats", "cat", "feline", "kittens", "kitten"),
            ("dogs", "dog", "canine", "puppies", "puppy"),
        ),
    ),
)
