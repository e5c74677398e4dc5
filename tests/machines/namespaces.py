"""A network of several machines on one: each a network namespace, joined by a bridge in a namespace of its own.

Nothing of the machine's own network is touched: no interface, no address, no rule. It takes root and iproute2.
"""

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from uuid import uuid4

NETWORK = "198.18.0"  # RFC 2544: set aside for testing devices, routed nowhere
_RUN = Path("/run/netns")
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_BRIDGE = "bridge"


@dataclass(frozen=True, slots=True)
class Machine:
    """A namespace with one interface, `eth0`."""

    namespace: str
    address: str
    port: str  # of the bridge, in the bridge's namespace
    bridge: str

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that are made inside, and processes that are started there, belong to this machine for good.

        It moves the calling thread: do not await inside.
        """
        with Path("/proc/thread-self/ns/net").open() as home, (_RUN / self.namespace).open() as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def opened(self, _info: object) -> socket.socket:
        """The same for aiohttp, which asks for sockets in this manner."""
        made = self.socket()
        made.setblocking(False)
        return made

    def socket(self) -> socket.socket:
        """A TCP socket of this machine."""
        with self.inside():
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def cut_off(self) -> None:
        """Lose every packet from now on. Neither side is told: the link stays up, as behind a switch that has died."""
        _ip("-n", self.bridge, "link", "set", "dev", self.port, "nomaster")

    def rejoin(self) -> None:
        """Undo `cut_off`."""
        _ip("-n", self.bridge, "link", "set", "dev", self.port, "master", _BRIDGE)


@dataclass(slots=True)
class Network:
    """Machines that reach each other, until one is cut off."""

    name: str
    _machines: list[Machine] = field(default_factory=list)

    def add(self) -> Machine:
        """One machine more."""
        number = len(self._machines) + 1
        bridge = f"{self.name}-0"
        machine = Machine(f"{self.name}-{number}", f"{NETWORK}.{number}", f"port{number}", bridge)
        self._machines.append(machine)
        _ip("netns", "add", machine.namespace)
        here, there = ("-n", machine.namespace), ("-n", bridge)
        _ip(*here, "link", "add", "eth0", "type", "veth", "peer", "name", machine.port, "netns", bridge)
        _ip(*here, "address", "add", f"{machine.address}/24", "dev", "eth0")
        _ip(*here, "link", "set", "dev", "lo", "up")
        _ip(*here, "link", "set", "dev", "eth0", "up")
        _ip(*there, "link", "set", "dev", machine.port, "master", _BRIDGE, "up")
        return machine


@contextmanager
def network() -> Iterator[Network]:
    """A network with no machine yet; all of it goes away at the end."""
    made = Network(f"hub-{uuid4().hex[:8]}")
    with ExitStack() as leaving:
        leaving.callback(_remove, made.name)
        _ip("netns", "add", f"{made.name}-0")
        _ip("-n", f"{made.name}-0", "link", "add", _BRIDGE, "type", "bridge")
        _ip("-n", f"{made.name}-0", "link", "set", "dev", _BRIDGE, "up")
        yield made


@cache
def why_not() -> str | None:
    """What is missing for a network of namespaces here; None where nothing is."""
    if shutil.which("ip") is None:
        return "no network namespaces: the command ip (Debian: iproute2) is not installed"
    if os.geteuid() != 0:
        return "no network namespaces: not root"
    try:
        with network() as tried:
            machine = tried.add()
            machine.cut_off()
            machine.rejoin()
            with machine.inside():
                pass
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
        return f"no network namespaces: {said.strip()}"
    return None


def _remove(name: str) -> None:
    for namespace in _RUN.glob(f"{name}-*"):
        _ip("netns", "delete", namespace.name)


def _ip(*words: str) -> None:
    program = shutil.which("ip") or "ip"
    subprocess.run([program, *words], check=True, capture_output=True, text=True)  # noqa: S603 - our own words


def _enter(descriptor: int) -> None:
    # os.setns is there from Python 3.12 on.
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
