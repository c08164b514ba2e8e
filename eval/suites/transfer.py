from lab.types import Suite

SUITE = Suite(
    "transfer",
    "the behavior in another form than the training rows",
    lambda behavior, style: behavior.questions("transfer", style),
)
