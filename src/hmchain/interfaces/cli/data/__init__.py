"""`hmchain data`: extraction, datasets, quarantine, vault."""
