"""The disk of one organisation: its files, and where they are."""
