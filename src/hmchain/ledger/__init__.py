"""Layer 2: the healthcare blockchain. Deterministic: no clock, float, randomness, network or unordered iteration."""
