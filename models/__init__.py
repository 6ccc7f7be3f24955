"""What a thing is, what we believe, and where it is kept."""
