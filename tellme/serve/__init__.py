"""The adapters of a study behind one OpenAI-compatible address, and in Inspect."""
