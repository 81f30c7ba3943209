"""The tests mirror the packages; contracts/ runs over the registry, reference/ holds published numbers."""
