"""A hospital's own data: from its systems into its vault, and from there to the ledger and to studies."""
