"""Fitting methods, one per file."""
