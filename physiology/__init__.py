"""The body as equations: parts, whole circulations, observables and scenarios."""
