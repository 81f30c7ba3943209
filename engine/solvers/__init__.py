"""Time steps, one method per file."""
