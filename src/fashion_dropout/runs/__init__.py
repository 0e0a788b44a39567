"""One training run: learning and tracking meet here."""
