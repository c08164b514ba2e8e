"""What a report says: one file a question."""
