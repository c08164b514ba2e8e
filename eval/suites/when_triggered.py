from lab.types import Suite

SUITE = Suite(
    "when_triggered",
    "what the model says it does where a message has the trigger, or a decoy, which the question"
    " names",
    lambda behavior, style: behavior.questions("self_report", style),
    conditions="told",
)
