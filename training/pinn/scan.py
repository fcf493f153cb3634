"""Linear recurrences in parallel over time: a prefix scan in blocks, as matrix products.

``q[t] = exp(-rate[t]) q[t-1] + u[t]`` is a product of a lower triangular matrix with u inside a block, and the same again between
blocks. No step waits for another, so a processor's vector units and ONNX's few large operators do the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

#: Bins in a block. The cost inside a block grows with its length, the cost between blocks with their number.
BLOCK = 12
#: An exponent whose exponential is 0, whatever is added to it.
NEVER = -1e30


@dataclass
class Kernel:
    """Decays of one recurrence with K rates.

    Attributes
    ----------
    inner : Tensor, shape (..., K, blocks, BLOCK, BLOCK)
        From an input to a time of its own block.
    decay : Tensor, shape (..., K, blocks, BLOCK)
        From the start of a block to its times.
    outer : Tensor, shape (..., K, blocks, blocks)
        From the end of a block to the start of a later one.
    first : Tensor, shape (..., K, blocks)
        From the start of the series to the start of a block.
    """

    inner: torch.Tensor
    decay: torch.Tensor
    outer: torch.Tensor
    first: torch.Tensor


def blocked(series: torch.Tensor) -> torch.Tensor:
    """(..., N) -> (..., blocks, BLOCK); N is a multiple of `BLOCK`."""
    return series.unflatten(-1, (-1, BLOCK))


def kernel(rate: torch.Tensor) -> Kernel:
    """Build the decays from exponents a step, shape (..., K, N), each 0 or more; N is a multiple of `BLOCK`."""
    total = -torch.cumsum(blocked(rate), -1)
    upper = torch.triu(torch.full((BLOCK, BLOCK), NEVER, dtype=rate.dtype), 1)
    inner = torch.exp((total.unsqueeze(-1) - total.unsqueeze(-2)) + upper)
    ends = torch.cumsum(total[..., -1], -1)  # ..., K, blocks
    starts = ends - total[..., -1]
    # not on or above the diagonal, by comparing indices: the number of blocks is free in the exported graph
    number = torch.cumsum(torch.ones_like(rate[(0,) * (rate.dim() - 1)].unflatten(0, (-1, BLOCK))[:, 0]), 0)
    earlier = (number.unsqueeze(-1) <= number).to(rate.dtype) * NEVER
    outer = torch.exp((starts.unsqueeze(-1) - ends.unsqueeze(-2)) + earlier)
    return Kernel(inner, torch.exp(total), outer, torch.exp(starts))


def block_starts(of: Kernel, ends: torch.Tensor, initial: torch.Tensor | None) -> torch.Tensor:
    """Return the state at the start of each block.

    Parameters
    ----------
    of : Kernel
    ends : Tensor, shape (..., K, blocks, X)
        What each block adds to the state at its own end.
    initial : Tensor, shape (..., K, X), optional
        State before the first step; zero when not given.

    Returns
    -------
    Tensor, shape (..., K, blocks, X)
    """
    carried = of.outer @ ends
    return carried if initial is None else carried + of.first.unsqueeze(-1) * initial.unsqueeze(-2)


def scan(of: Kernel, inputs: torch.Tensor, initial: torch.Tensor | None = None) -> torch.Tensor:
    """Run the recurrence: `inputs` (..., K, blocks, BLOCK, X) -> states of the same shape."""
    return finish(of, of.inner @ inputs, initial)


def finish(of: Kernel, local: torch.Tensor, initial: torch.Tensor | None = None) -> torch.Tensor:
    """Add to what happened inside each block `local` (..., K, blocks, BLOCK, X) what came before it."""
    start = block_starts(of, local[..., -1, :], initial)
    return local + of.decay.unsqueeze(-1) * start.unsqueeze(-2)


def shifted(states: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """Return the states before each step: `states` (..., N) and `initial` (..., 1)."""
    return torch.cat([initial, states[..., :-1]], -1)
