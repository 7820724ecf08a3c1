"""Disclosure: how much of a hospital's people a model, a count or a table would tell those who get it."""
