"""Questions that people ask of a ledger, and their answers: nothing on disk is believed because it is near."""
