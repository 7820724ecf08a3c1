"""What the benchmark of the portal is made of."""
