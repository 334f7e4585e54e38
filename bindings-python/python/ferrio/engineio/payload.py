"""Several Engine.IO packets in the body of a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar
from urllib.parse import parse_qs

from .packet import Packet

SEPARATOR = "\x1e"


class Payload:
    """Packets, or (`encoded_payload`) what stands in the body."""

    #: Packets in a POST that a server takes. Servers that start later go by it; python-engineio's default is 16.
    max_decode_packets: ClassVar[int] = 1000

    def __init__(self, packets: Iterable[Packet] | None = None, encoded_payload: str | None = None) -> None:
        self.packets = list(packets or ())
        if encoded_payload is not None:
            self.decode(encoded_payload)

    def encode(self, jsonp_index: int | None = None) -> str:
        """The body; for JSONP a call of the function with that number."""
        body = SEPARATOR.join(packet.encode(b64=True) for packet in self.packets)
        if jsonp_index is None:
            return body
        quoted = body.replace('"', '\\"')
        return f'___eio[{jsonp_index}]("{quoted}");'

    def decode(self, encoded_payload: str) -> None:
        """Reads a body, or a form with one in its field ``d`` (JSONP). `ValueError` if there are too many packets."""
        self.packets = []
        if encoded_payload.startswith("d="):
            encoded_payload = parse_qs(encoded_payload)["d"][0]
        if not encoded_payload:
            return
        encoded = encoded_payload.split(SEPARATOR)
        if len(encoded) > self.max_decode_packets:
            raise ValueError("Too many packets in payload")
        self.packets = [Packet(encoded_packet=packet) for packet in encoded]
