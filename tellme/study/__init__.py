"""From a config to a plan, and its stages in order, here or on a queue."""
