"""Many adapters on one base, trained in one batch."""
