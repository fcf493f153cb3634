"""Linear recurrences in parallel over time: a prefix scan in blocks, as matrix products.

``q[t] = exp(-rate[t]) q[t-1] + u[t]`` is a product of a lower triangular matrix with u inside a block, and the same again between
blocks. No step waits for another, so a processor's vector units and ONNX's few large operators do the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

#: Bins in a block. The cost inside a block grows with its length, the cost between blocks with their number.
BLOCK = 12


@dataclass
class Kernel:
    """Decays of one recurrence with K rates.

    Attributes
    ----------
    inner : Tensor, shape (..., blocks, K, BLOCK, BLOCK)
        From an input to a time of its own block.
    decay : Tensor, shape (..., blocks, K, BLOCK)
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


def kernel(rate: torch.Tensor) -> Kernel:
    """Build the decays from exponents a step, shape (..., K, N), each 0 or more; N is a multiple of `BLOCK`."""
    blocked = rate.unflatten(-1, (-1, BLOCK)).transpose(-3, -2)  # ..., blocks, K, BLOCK
    total = torch.cumsum(blocked, -1)
    lower = torch.tril(torch.ones(BLOCK, BLOCK, dtype=rate.dtype))
    inner = torch.exp(-(total.unsqueeze(-1) - total.unsqueeze(-2)).clamp(min=0)) * lower
    ends = torch.cumsum(total[..., -1].transpose(-1, -2), -1)  # ..., K, blocks
    starts = ends - total[..., -1].transpose(-1, -2)
    # strictly below the diagonal, by comparing indices: the number of blocks is free in the exported graph
    number = torch.cumsum(torch.ones_like(ends), -1)
    later = (number.unsqueeze(-1) > number.unsqueeze(-2)).to(rate.dtype)
    outer = torch.exp(-(starts.unsqueeze(-1) - ends.unsqueeze(-2)).clamp(min=0)) * later
    return Kernel(inner, torch.exp(-total), outer, torch.exp(-starts))


def block_starts(of: Kernel, ends: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """Return the state at the start of each block.

    Parameters
    ----------
    of : Kernel
    ends : Tensor, shape (..., blocks, K, X)
        What each block adds to the state at its own end.
    initial : Tensor, shape (..., K, X)
        State before the first step.

    Returns
    -------
    Tensor, shape (..., blocks, K, X)
    """
    carried = of.outer @ ends.transpose(-3, -2) + of.first.unsqueeze(-1) * initial.unsqueeze(-2)  # ..., K, blocks, X
    return carried.transpose(-3, -2)


def scan(of: Kernel, inputs: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """Run the recurrence: `inputs` (..., blocks, K, BLOCK, X) -> states of the same shape."""
    local = of.inner @ inputs
    start = block_starts(of, local[..., -1, :], initial)
    return local + of.decay.unsqueeze(-1) * start.unsqueeze(-2)
