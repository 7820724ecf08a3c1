"""Layer 3's faces: thin; parse, call a service or a reader, show what it answers."""
