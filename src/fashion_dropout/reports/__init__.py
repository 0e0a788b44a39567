"""A study as figures and as one HTML file."""
