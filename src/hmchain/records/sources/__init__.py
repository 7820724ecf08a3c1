"""Sources: where medical records come from."""
