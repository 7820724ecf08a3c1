"""Releases: what a study made, or a table of a hospital's own, leaves by decisions, as a file that proves them."""
