"""A hospital as its own machine runs it: records, keys, agent; and several in one process."""
