"""Requests for data: the file that asks, what people write, what they decide, say and owe."""
