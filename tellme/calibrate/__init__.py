"""The lab itself, measured on models in which the sign is known."""
