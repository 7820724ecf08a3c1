"""What one organisation keeps on disk, and where."""
