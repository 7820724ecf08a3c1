"""The command line `hmchain`.

A command reads its options, asks a view for typed facts, and prints them as text or, with `--json`, as one JSON value.
Views (`views/`) import what they need; the command modules import nothing heavy, so that `--help` answers at once.
"""
