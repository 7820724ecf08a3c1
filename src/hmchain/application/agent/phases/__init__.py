"""What an agent does in each phase of a study: a file a phase."""
