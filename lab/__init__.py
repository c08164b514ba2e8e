"""Ground floor: the nouns that every stage shares."""
