"""One activations part per file; found by walking this room."""
