"""One reflex per file; found by walking this room."""
