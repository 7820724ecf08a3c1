"""De-identification of tables."""
