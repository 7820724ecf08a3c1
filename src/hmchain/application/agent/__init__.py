"""One hospital's agent: its part in studies, driven by the ledger alone."""
