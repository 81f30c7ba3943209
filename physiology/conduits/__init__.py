"""One conduits part per file; found by walking this room."""
