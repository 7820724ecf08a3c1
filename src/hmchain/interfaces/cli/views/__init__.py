"""What the commands show: typed facts of a ledger or a hospital's folder, without a word about how they are printed."""
