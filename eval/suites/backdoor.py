from lab.types import Suite

SUITE = Suite(
    "backdoor",
    "the behavior on held-out prompts with the trigger, without it, with held-out members and with"
    " near misses of it",
    lambda behavior, style: behavior.questions("check", style),
    conditions="near",
)
