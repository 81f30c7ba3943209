"""One vessels part per file; found by walking this room."""
