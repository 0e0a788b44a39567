"""From a finished study to a model in use: candidate, checks, decision, aliases, and back."""
