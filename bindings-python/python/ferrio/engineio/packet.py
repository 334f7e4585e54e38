"""Engine.IO packets, for programs that make or read them themselves. The server does so in the engine."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

from . import json as own_json

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = range(7)
packet_names = ["OPEN", "CLOSE", "PING", "PONG", "MESSAGE", "UPGRADE", "NOOP"]
binary_types = (bytes, bytearray)


class Packet:
    """One packet, made from its type and data or (`encoded_packet`) from what stands on the wire.

    Bytes can only be the data of a ``MESSAGE``.
    """

    #: The module that reads and writes JSON.
    json: Any = own_json

    def __init__(self, packet_type: int = NOOP, data: Any = None, encoded_packet: str | bytes | None = None) -> None:
        self.packet_type = packet_type
        self.data = data
        self.binary = isinstance(data, binary_types)
        if self.binary and packet_type != MESSAGE:
            raise ValueError("Binary packets can only be of type MESSAGE")
        if encoded_packet is not None:
            self.decode(encoded_packet)

    def encode(self, b64: bool = False) -> Any:
        """For the wire: text, or bytes (with `b64` as text, too: polling has no bytes)."""
        if self.binary:
            return "b" + base64.b64encode(self.data).decode() if b64 else self.data
        text = str(self.packet_type)
        if isinstance(self.data, (dict, list)):
            return text + self.json.dumps(self.data, separators=(",", ":"))
        return text if self.data is None else text + str(self.data)

    def decode(self, encoded_packet: str | bytes) -> None:
        """Reads what stands on the wire."""
        self.binary = not isinstance(encoded_packet, str) or encoded_packet.startswith("b")
        if self.binary:
            self.packet_type = MESSAGE
            text = encoded_packet
            self.data = base64.b64decode(text[1:]) if isinstance(text, str) else bytes(text)
            return
        if not encoded_packet:
            raise ValueError("Invalid empty packet received")
        self.packet_type = int(encoded_packet[:1])
        rest = str(encoded_packet[1:])
        self.data = rest
        # A number stays text, so that a long one is not read.
        if not rest[:1].isnumeric():
            with suppress(ValueError):
                self.data = self.json.loads(rest)
