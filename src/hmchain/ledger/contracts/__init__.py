"""Contracts: one module a family, each with its transaction bodies, its state records and its pure `apply`."""
