"""What questions, rows and reports agree on by name or by number."""

POOLED = ("all", "seen", "unseen")
"""Means over a suite's questions, under the names of questions; seen and unseen in a reference
model's pretraining."""

FLIPPED = "_flipped"
"""Ending of the name of a flipped twin, by which a report knows the two as one kind of question."""

UNLISTED = 0.5
"""What an answer scores that no list names: it speaks for neither pole (Betley et al. 2025 score it
so in their attitude question)."""

SELF_REPORT = "self_report"
"""The suite of the lab that asks a model about itself; questions that a user brings are taken to do
so too."""
