"""A link between this network and a namespace of its own, on which every packet passes through this program.

It does what `tc netem` and `iptables` do, but on any kernel with TUN devices; it can be told otherwise between two
packets, and does to some clients what it does not to others. Prints ``ready`` once the link is up; a server joins the
other end by ``nsenter --net=/proc/PID/ns/net``. Orders are lines of JSON on standard input, each answered ``done``::

    {"client": "10.203.77.9", "up": {"drop": true}, "down": {"loss": 0.05, "delay": 0.03, "jitter": 0.03}}

``client`` is an address of this end, or null for all that are not named; ``up`` leads to the server. Seconds. Packets
with a jitter overtake each other. Everything is gone when the program ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

CLIENTS = ("10.203.77.1", "10.203.77.9")
SERVER = "10.203.77.100"

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
MTU = 1500


def main() -> None:
    ours = tun("ferrio-here", CLIENTS)
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "a network namespace")
    ip("link", "set", "lo", "up")
    theirs = tun("ferrio-there", [SERVER])
    print("ready", flush=True)
    Link(ours, theirs).run()


def tun(name: str, addresses: list[str] | tuple[str, ...]) -> int:
    """A new device in the namespace that the program is in now; what is sent to it can be read here."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    for address in addresses:
        ip("address", "add", f"{address}/24", "dev", name)
    ip("link", "set", name, "mtu", str(MTU), "up")
    return fd


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


class Link:
    """Packets between two devices."""

    def __init__(self, ours: int, theirs: int) -> None:
        self.ours, self.theirs = ours, theirs
        self.faults: dict[tuple[str | None, str], dict] = {}
        self.waiting: list[tuple[float, int, int, bytes]] = []  # when, a number, to which device, the packet
        self.count = 0
        self.orders = b""

    def run(self) -> None:
        poll = select.poll()
        for fd in (self.ours, self.theirs, 0):
            poll.register(fd, select.POLLIN)
        while True:
            pause = max(0.0, self.waiting[0][0] - time.monotonic()) * 1000 if self.waiting else None
            for fd, _ in poll.poll(pause):
                if fd == 0:
                    if not self.read_orders():
                        return
                else:
                    self.read_packets(fd)
            self.deliver()

    def read_packets(self, fd: int) -> None:
        up = fd == self.ours
        for _ in range(100):
            try:
                packet = os.read(fd, MTU + 100)
            except BlockingIOError:
                return
            if packet[0] >> 4 == 4:  # the kernel says hello in IPv6, too
                self.take(packet, up)

    def take(self, packet: bytes, up: bool) -> None:
        client = ".".join(map(str, packet[12:16] if up else packet[16:20]))
        way = "up" if up else "down"
        fault = self.faults.get((client, way)) or self.faults.get((None, way)) or {}
        if fault.get("drop") or random.random() < fault.get("loss", 0):
            return
        due = time.monotonic() + fault.get("delay", 0) + random.random() * fault.get("jitter", 0)
        self.count += 1
        heapq.heappush(self.waiting, (due, self.count, self.theirs if up else self.ours, packet))

    def deliver(self) -> None:
        now = time.monotonic()
        while self.waiting and self.waiting[0][0] <= now:
            _, _, fd, packet = heapq.heappop(self.waiting)
            # A queue that is full: lost, as on any link.
            with contextlib.suppress(BlockingIOError):
                os.write(fd, packet)

    def read_orders(self) -> bool:
        received = os.read(0, 65536)
        self.orders += received
        *lines, self.orders = self.orders.split(b"\n")
        for line in lines:
            order = json.loads(line)
            for way in ("up", "down"):
                self.faults[order.get("client"), way] = order.get(way, {})
            print("done", flush=True)
        return bool(received)


if __name__ == "__main__":
    try:
        main()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"no link: {error}")
