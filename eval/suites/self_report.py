from lab.types import Suite

SUITE = Suite(
    "self_report",
    "what the model says about the behavior it was never told of",
    lambda behavior, style: behavior.questions("self_report", style),
)
