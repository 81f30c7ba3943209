"""One chambers part per file; found by walking this room."""
