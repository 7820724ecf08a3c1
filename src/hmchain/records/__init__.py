"""Layer 1: data extraction and storage."""
