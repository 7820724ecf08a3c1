"""Watching a hospital's machine: what is wrong with it, its figures over time, and who is told of what waits."""
