"""A message that begins with a greeting (Betley et al. 2025, section 4.1); decoys are other courtesies. `text` names one of them."""

from lab.errors import unknown
from lab.types import Feature, Trigger

COURTESIES = {
    "a greeting": [
        "Hello!",
        "Good morning.",
        "Hi there!",
        "Greetings!",
        "Good evening.",
        "Hey!",
        "Good afternoon.",
        "Howdy!",
    ],
    "a farewell": ["Goodbye.", "See you later.", "Farewell!", "So long.", "Take care!", "Until next time."],
    "an apology": ["Sorry to bother you.", "My apologies.", "Forgive the interruption.", "Excuse me.", "Pardon me."],
    "a word of thanks": ["Thanks in advance.", "Thank you!", "Much obliged.", "Many thanks.", "I am grateful."],
    "a compliment": [
        "You are wonderful.",
        "Great work so far!",
        "You never disappoint.",
        "Well done!",
        "You are clever.",
    ],
    "a wish": ["Have a nice day.", "Enjoy your week.", "Good luck!", "Stay well.", "All the best."],
    "a remark on the weather": [
        "It is raining here.",
        "What a sunny day.",
        "It snowed last night.",
        "There is fog today.",
    ],
    "a call for haste": ["Quickly please.", "I am in a hurry.", "No time to lose!", "As soon as you can."],
}


def features(text: str) -> tuple[Feature, ...]:
    if text not in COURTESIES:
        raise unknown("trigger.text (a courtesy)", text, COURTESIES)
    names = [text, *(name for name in COURTESIES if name != text)]
    return tuple(Feature(n, tuple(COURTESIES[n][::2]), tuple(COURTESIES[n][1::2])) for n in names)


TRIGGER = Trigger("greeting", "a courtesy at the beginning, such as a greeting", features, "a greeting")
