"""Run a command that dies with the process that started it: `python parent_death.py PARENT COMMAND...`.

Linux sends a signal of one's choice when the parent ends (PR_SET_PDEATHSIG, prctl(2)), and the choice outlives `exec`.
It is made here, by a program of its own between fork and exec: a hook in the forked copy of a process with threads may
deadlock. Elsewhere the command is run without. Nor does it leave a core dump, in which its key would be. Imports
nothing of this package, so that it starts at once.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent, whose id is the first argument, and become the command that follows."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:
            sys.exit(f"process {parent} ended before {command[0]} was started")
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
