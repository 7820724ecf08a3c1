"""Counting people: questions as text, and what a hospital's own records answer."""
