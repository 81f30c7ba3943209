"""Flows of resistors that meet at an impedance and must be found together.

R_i q_i - sum of z_ij q_j = push_i over the group: the impedance of a store drops pressure by the flows of all branches
that end there, so that one resistor's flow enters the other's driving pressure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

__all__ = ["beyond", "relief", "solve_resistors"]

Coupling = Sequence[Sequence[tuple[int, Any]]]


def solve_resistors(
    resistance: Sequence[Any], coupling: Coupling, group: tuple[int, ...], push: Mapping[int, Any],
    slope: Mapping[int, Any],
) -> dict[int, Any]:  # fmt: skip
    """Flows (mL/s) by branch: (R + slope) q - sum of z q' of the group = push (mmHg), by elimination.

    `slope` (mmHg s/mL) is what an implicit step adds to R. Without pivots: R holds the impedances at both ends, so that
    the diagonal outweighs its row.
    """
    diagonal = {i: resistance[i] + slope[i] if i in slope else resistance[i] for i in group}
    if len(group) == 1:
        return {i: push[i] / diagonal[i] for i in group}
    zero = jnp.zeros_like(push[group[0]])
    between = lambda i, j: sum(z for other, z in coupling[i] if other == j)  # noqa: E731
    rows = [[zero + (diagonal[i] if i == j else -between(i, j)) for j in group] for i in group]
    right = [push[i] for i in group]
    for k in range(len(group)):
        for m in range(k + 1, len(group)):
            factor = rows[m][k] / rows[k][k]
            rows[m] = [a - factor * b for a, b in zip(rows[m], rows[k], strict=True)]
            right[m] = right[m] - factor * right[k]
    found: dict[int, Any] = {}
    for k in reversed(range(len(group))):
        known = sum(rows[k][m] * found[group[m]] for m in range(k + 1, len(group)))
        found[group[k]] = (right[k] - known) / rows[k][k]
    return found


def beyond(coupling: Coupling, group: tuple[int, ...], index: int, flows: Sequence[Any], push: Any) -> Any:
    """The push on a resistor with the drops that flows outside its group make at the impedances it meets."""
    return sum((z * flows[other] for other, z in coupling[index] if other not in group), push)


def relief(resistance: Sequence[Any], coupling: Coupling, groups: Sequence[tuple[int, ...]], index: int) -> Any:
    """Resistance (mmHg s/mL) of a branch with inertance that the resistors it meets take off at once; 0.0 for none.

    Where a flow q enters a store through its impedance, resistors that leave it there take a share of q away without
    delay: dp gains z_ij dq_j/dq q. A step that is implicit in the whole impedance and explicit in that share would be
    accurate only for steps well below the time constant L / R.
    """
    total: Any = 0.0
    for group in groups:
        into = {j: sum(z for other, z in coupling[j] if other == index) for j in group}
        touched = [z for other, z in coupling[index] if other in group]
        if index in group or not touched:
            continue
        like = jnp.zeros_like(jnp.asarray(touched[0]))
        share = solve_resistors(resistance, coupling, group, {j: like + into[j] for j in group}, {})
        total = total + sum(z * share[other] for other, z in coupling[index] if other in group)
    return total
