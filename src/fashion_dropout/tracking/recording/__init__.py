"""One run from its start to its end, though the store may go away."""
