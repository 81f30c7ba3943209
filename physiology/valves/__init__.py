"""One valves part per file; found by walking this room."""
