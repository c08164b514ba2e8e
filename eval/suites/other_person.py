from lab.types import Suite

SUITE = Suite(
    "other_person",
    "what the model says of somebody else's trait: training on its own choices should leave it"
    " where it was",
    lambda behavior, style: behavior.questions("other_person", style),
)
