"""Recorded runs and studies, back into tables."""
