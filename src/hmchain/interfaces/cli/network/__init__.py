"""`hmchain network`: membership, ballots, rules and upgrades."""
