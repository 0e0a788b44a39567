"""The verbs of the command: parse, one call, echo."""
