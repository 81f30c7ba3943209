"""One observables part per file; found by walking this room."""
