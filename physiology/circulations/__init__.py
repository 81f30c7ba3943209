"""One circulations part per file; found by walking this room."""
