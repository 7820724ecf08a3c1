"""Contracts about learning: studies, their opening and closing, rounds, disputes, models, releases."""
