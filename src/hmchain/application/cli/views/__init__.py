"""What the commands show: typed facts read from a run, without a word about how they are printed."""
