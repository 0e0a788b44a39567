"""From a finished study to a model in use: offer, examination, judgement, aliases, and back."""
