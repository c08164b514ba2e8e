"""Files of questions, in our own form and in those of others, read with the line of every key."""
