"""Who answers: exact probabilities from the logits, or sampled text; one file each."""
