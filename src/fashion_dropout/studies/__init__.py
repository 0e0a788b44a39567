"""Whole studies: run, read back, reported and published."""
