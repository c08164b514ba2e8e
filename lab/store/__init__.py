"""The run store: folders by key, provenance, trust checks."""
