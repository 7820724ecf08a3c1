"""Trainers: the CNN, how it is trained, and what it is compared with."""
