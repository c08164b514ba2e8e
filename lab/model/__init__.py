"""Bases, adapters, chat rendering, memory."""
