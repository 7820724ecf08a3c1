"""`hmchain study`: what is decided about studies, and how they stand."""
