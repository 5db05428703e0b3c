"""Several processes that share a test set out, started by torch's launcher or by Slurm."""

import contextlib
import os
import subprocess
from typing import Any, Iterator, List, NamedTuple, Optional

import torch
import torch.distributed as dist

from ..support import InputError

LAUNCHERS = ("none", "pytorch", "slurm")
_PORT = "29500"


class Processes(NamedTuple):
    """This process among all: its number, how many there are, and its number on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def share(self, count: int) -> range:
        """The images of this process, out of a number of them."""
        return range(self.rank, count, self.size)

    def device(self, name: str) -> str:
        """The device of this process: with ``cuda`` each has a GPU of its own, as far as there are enough."""
        if self.size == 1 or name != "cuda":
            return name
        return f"cuda:{self.local_rank % max(torch.cuda.device_count(), 1)}"

    def threads(self) -> Optional[int]:
        """The threads of a process, so that all together have one a core; None leaves them to the runtime."""
        local = int(os.environ.get("LOCAL_WORLD_SIZE", self.size))
        return None if self.size == 1 else max((os.cpu_count() or 1) // local, 1)


@contextlib.contextmanager
def joined(launcher: str) -> Iterator[Processes]:
    """Join the other processes; results go over the CPU, whatever the models run on.

    Args:
        launcher: ``none``, ``pytorch`` (``torchrun``, ``torch.distributed.launch --use_env``) or ``slurm`` (``srun``).

    Raises:
        InputError: the launcher has not started this process.
    """
    if launcher == "none":
        yield Processes()
        return
    if launcher == "pytorch":
        processes = Processes(*(_number(name, launcher) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
        how = {"init_method": "env://"}
    else:
        names = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
        processes = Processes(*(_number(name, launcher) for name in names))
        how = {"init_method": f"tcp://{_first_host()}:{os.environ.get('MASTER_PORT', _PORT)}"}
    dist.init_process_group("gloo", rank=processes.rank, world_size=processes.size, **how)
    try:
        yield processes
    finally:
        dist.destroy_process_group()


def gathered(part: Any, processes: Processes) -> Optional[List[Any]]:
    """Every process's part, in order, in the first process; None in the others."""
    if processes.size == 1:
        return [part]
    parts: Optional[List[Any]] = [None] * processes.size if processes.rank == 0 else None
    dist.gather_object(part, parts)
    return parts


def merged(parts: List[List[Any]], count: int) -> List[Any]:
    """The parts' items in the dataset's order."""
    return [parts[index % len(parts)][index // len(parts)] for index in range(count)]


def _number(name: str, launcher: str) -> int:
    value = os.environ.get(name, "")
    if not value.isdigit():
        raise InputError(
            f"--launcher {launcher}: {name} is {value!r} in the environment",
            "a number, as the launcher sets it",
            "start the command with torchrun --nproc_per_node=N (pytorch) or srun (slurm), or leave --launcher out",
        )
    return int(value)


def _first_host() -> str:
    """The machine of the first process."""
    if os.environ.get("MASTER_ADDR"):
        return os.environ["MASTER_ADDR"]
    hosts = os.environ.get("SLURM_NODELIST", "")
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        found = subprocess.check_output(["scontrol", "show", "hostnames", hosts]).decode().split()
        if found:
            return found[0]
    if not hosts or set(hosts) & set("[,"):
        raise InputError(
            f"--launcher slurm: the first of {hosts!r} is not known",
            "scontrol, or MASTER_ADDR in the environment",
            "set MASTER_ADDR to the first machine",
        )
    return hosts
