"""Layer 3: data application."""
