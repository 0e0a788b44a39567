"""Data → Figure. Nothing here saves or shows; the caller does."""
