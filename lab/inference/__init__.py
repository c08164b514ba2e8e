"""Answers of a base in this process: their probabilities from the logits, or generated text."""
