"""Pretraining of the reference models."""
