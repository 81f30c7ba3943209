"""Quantities, parts, layouts and systems: what every room builds on."""
