"""Adapters on the Hub, studies in wandb, and cards."""
