"""One scenarios part per file; found by walking this room."""
