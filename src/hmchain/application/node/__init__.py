"""A hospital's node: joining, running, looking, mending."""
