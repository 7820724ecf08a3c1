"""Releases: what a study made leaves its hospitals by their decisions, as a file that proves them."""
