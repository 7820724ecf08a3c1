"""Contracts about data: datasets and their published versions."""
