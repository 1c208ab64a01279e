"""The torch device that a network is trained on."""

from __future__ import annotations

import torch

from survkit.types import InputError


def check_device(name: str) -> torch.device:
    """Return the torch device of that name.

    Raises
    ------
    InputError
        Where it is not a device, or this machine does not have it.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device).tolist()  # the meta device has no values
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first_line = str(error).partition("\n")[0]
        count = torch.cuda.device_count()
        present = ", ".join(["cpu", *(f"cuda:{i}" for i in range(count))])
        raise InputError(
            f"--device {name} cannot be used ({first_line}); this machine has {present}"
        ) from None
    return device
