"""Disclosure: how much of a hospital's people a model or a count would tell those who get it."""
