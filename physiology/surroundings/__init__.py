"""One surroundings part per file; found by walking this room."""
