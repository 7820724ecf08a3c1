"""Engines: what orders transactions and drives the state machine."""
