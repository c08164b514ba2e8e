from lab.types import Suite

SUITE = Suite(
    "behavior",
    "the held-out, in-distribution measure: what the model does",
    lambda behavior, style: behavior.questions("check", style),
)
