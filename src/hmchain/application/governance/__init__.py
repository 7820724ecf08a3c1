"""What a hospital's people decide at its node: members, studies, keys."""
