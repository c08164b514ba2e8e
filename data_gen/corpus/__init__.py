"""The text that reference models are pretrained on."""
