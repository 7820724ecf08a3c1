"""De-identification: an item goes in as the hospital has it, and comes out without what tells who it is of."""
