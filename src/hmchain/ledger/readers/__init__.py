"""What reads a ledger for people: nothing on disk is believed because it is near."""
