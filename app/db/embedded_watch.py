"""Keeps the embedded database alive exactly as long as the service, from outside the service.

Run as a script, in its own session: `python -I -S embedded_watch.py PORT GRACE COMMAND...`.
Standard input is a pipe whose other end only the service holds, so its end of file means that the
service is gone, however it went (`kill -9` included). The server then has GRACE seconds to close
its files before it is killed. Prints the process id of the server on one line.

Standard library only, and little of it: this process stays small beside the server it watches.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time

_POLL_SECONDS = 0.02
_ASK_AGAIN_SECONDS = 0.5  # one that has just started can miss a signal; it listens on then
_PR_SET_PDEATHSIG = 1


def wake_listener(port: int) -> bool:
    """Open and close one connection to 127.0.0.1:`port`; whether somebody took it.

    A stopping SecantusDB waits two seconds for its thread in `accept()`; a connection wakes it up.
    """
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=0.05).close()
        return True
    return False


def _die_with(watcher: int) -> None:
    """Have the kernel kill this process when the watcher dies, where the kernel can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != watcher:
        os._exit(1)


def _become(command: list[str], watcher: int, alive: int) -> None:
    """Turn this forked process into the server; `alive` stays open until it ends."""
    try:
        _die_with(watcher)
        os.set_inheritable(alive, True)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        os.execv(command[0], command)  # noqa: S606 - no shell is the point
    finally:
        os._exit(127)


def _start(command: list[str]) -> tuple[int, int]:
    """Start the server; its process id, and a descriptor that reaches end of file when it dies."""
    died, alive = os.pipe()
    watcher = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(command, watcher, alive)
    os.close(alive)
    return pid, died


def _end(pid: int, port: int, grace_seconds: float) -> int:
    """Stop the server, by force after `grace_seconds`; its wait status."""
    os.kill(pid, signal.SIGTERM)
    asked = time.monotonic()
    deadline = asked + grace_seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        if wake_listener(port) and time.monotonic() - asked > _ASK_AGAIN_SECONDS:
            os.kill(pid, signal.SIGTERM)
            asked = time.monotonic()
        time.sleep(_POLL_SECONDS)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def main(port: int, grace_seconds: float, command: list[str]) -> int:
    """Run `command` until it ends or standard input does; its exit status (128 + signal)."""
    pid, died = _start(command)
    os.write(1, b"%d\n" % pid)
    readable, _, _ = select.select([0, died], [], [])
    status = os.waitpid(pid, 0)[1] if died in readable else _end(pid, port, grace_seconds)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
