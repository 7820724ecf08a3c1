"""Decisions of a hospital's people at its node: members, studies, keys."""
