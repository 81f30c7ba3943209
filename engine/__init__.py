"""Solvers, the steady beat and its gradients; it sees a System, never a heart."""
