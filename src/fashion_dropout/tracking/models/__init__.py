"""Stored models and the registry."""
