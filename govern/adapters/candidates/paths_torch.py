"""Permutation paths that never leave the device: ``govern.checks.shapley`` in PyTorch.

Rows, background and masks are sent once for a batch; mixing, asking and adding up happen where
the model is, and only values and errors come back. The plan is that of ``shapley``, so that the
same seed walks the same paths; sums are in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from govern.checks import shapley


def explain(
    function: Callable[[Any], Any],
    rows: np.ndarray,
    background: np.ndarray,
    *,
    paths: int,
    seed: int,
    batch: int,
    torch: Any,
    device: Any,
) -> shapley.Attributions:
    """Explain rows on a device.

    Args:
        function: float32 tensor [n, features] on the device to scores [n] on it.
        rows: float [r, features].
        background: float [b, features]; ``paths`` should be a multiple of b.
        paths: antithetic paths per row.
        seed: of the orders and of the background's order.
        batch: largest number of rows given to ``function`` at once.
        torch: the library.
        device: where the model is.
    """
    count, features = rows.shape
    chosen, places = shapley.plan(features, paths, len(background), seed)
    place = torch.from_numpy(places).to(device)
    behind = torch.from_numpy(background.astype(np.float32)).to(device)
    picked = torch.from_numpy(chosen).to(device)
    at_background = function(behind).double()[picked]
    given = torch.from_numpy(rows.astype(np.float32)).to(device)
    step = shapley.rows_at_once(features, paths, batch)
    block, found = shapley.paths_at_once(features, paths, batch), []
    for low in range(0, count, step):
        part, walked = given[low : low + step], []
        for first in range(0, paths, block):
            some = slice(first, first + block)
            mixed = _mixed(torch, part, place[some], behind[picked[some]])
            asked = function(torch.cat([mixed, part])).double()
            walked.append(asked[: len(mixed)].reshape(len(part), -1, 2, features - 1))
        output = asked[len(mixed) :]
        gains = _gains(torch, torch.cat(walked, dim=1), output, at_background, place)
        errors = gains.std(dim=1, correction=1) / paths**0.5
        found.append([each.cpu().numpy() for each in (gains.mean(dim=1), errors, output)])
    values, errors, output = (np.concatenate(column) for column in zip(*found, strict=True))
    evaluations = count * shapley.evaluations_of(features, paths, batch) + len(background)
    base = float(at_background.mean().cpu())
    return shapley.Attributions(values, errors, base, output, evaluations)


def _mixed(torch: Any, part: Any, place: Any, behind: Any) -> Any:
    """Return every stop of some paths of some rows [rows * paths * 2 * (features - 1), features]."""
    features = place.shape[1]
    steps = torch.arange(1, features, device=place.device)
    forward = place[:, None, :] < steps[None, :, None]
    mask = torch.stack([forward, ~forward], dim=1).reshape(-1, features)
    start = behind.repeat_interleave(2 * (features - 1), 0)
    return torch.where(mask[None], part[:, None, :], start[None]).reshape(-1, features)


def _gains(torch: Any, walked: Any, output: Any, at_background: Any, order: Any) -> Any:
    """Return each path's gain per feature [rows, paths, features]."""
    count, paths = walked.shape[:2]
    top = output[:, None, None].expand(count, paths, 1)
    bottom = at_background[None, :, None].expand(count, paths, 1)
    up = torch.cat([bottom, walked[:, :, 0], top], dim=2)
    down = torch.cat([top, walked[:, :, 1], bottom], dim=2)
    by_step = 0.5 * (torch.diff(up, dim=2) - torch.diff(down, dim=2))
    return torch.gather(by_step, 2, order[None].expand(count, -1, -1))
