"""Models that studies made: read, exported, applied."""
