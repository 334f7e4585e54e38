"""Socket.IO packets, for programs that make or read them themselves. The server does so in the engine."""

from __future__ import annotations

import json as standard_json
import re
from typing import Any, ClassVar

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
packet_names = ["CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK"]

#: Type, number of attachments, namespace, id; JSON follows.
HEAD = re.compile(r"(?P<type>[0-9])(?:(?P<attachments>[0-9]+)-)?(?:(?P<namespace>/[^,]*)(?:,|$))?(?P<id>[0-9]*)")


class Packet:
    """One packet, made from its parts or (`encoded_packet`) from its text.

    `packet_type`: one of the constants; ``EVENT`` and ``ACK`` become binary where `data` has bytes, or with `binary`.
    `data`: what is sent as JSON; bytes in it travel as attachments. `id`: of an acknowledgement.
    """

    uses_binary_events: ClassVar = True
    #: The module that reads and writes JSON.
    json: Any = standard_json

    def __init__(
        self,
        packet_type: Any = EVENT,
        data: Any = None,
        namespace: str | None = None,
        id: int | None = None,
        binary: bool | None = None,
        encoded_packet: Any = None,
    ) -> None:
        self.packet_type = packet_type
        self.data = data
        self.namespace = namespace
        self.id = id
        #: Attachments that the text announced, and those that have been added.
        self.attachment_count = 0
        self.attachments: list[Any] = []
        if self.uses_binary_events and (self.data_is_binary(data) if binary is None else binary):
            if packet_type not in (EVENT, ACK):
                raise ValueError("Packet does not support binary payload.")
            self.packet_type = BINARY_EVENT if packet_type == EVENT else BINARY_ACK
        if encoded_packet:
            self.attachment_count = self.decode(encoded_packet) or 0

    def encode(self) -> Any:
        """The text, or a list of the text and its attachments."""
        data, attachments = self.data, None
        head = str(self.packet_type)
        if self.packet_type in (BINARY_EVENT, BINARY_ACK):
            data, attachments = self.deconstruct_binary(self.data)
            head += f"{len(attachments)}-"
        if self.namespace not in (None, "/"):
            head += f"{self.namespace},"
        if self.id is not None:
            head += str(self.id)
        text = head if data is None else head + self.json.dumps(data, separators=(",", ":"))
        return text if attachments is None else [text, *attachments]

    def decode(self, encoded_packet: Any) -> int | None:
        """Reads a packet's text; gives the number of attachments that follow it."""
        if isinstance(encoded_packet, int):
            # A type alone.
            self.packet_type = encoded_packet
            return 0
        head = HEAD.match(encoded_packet)
        if head is None:
            raise ValueError(f"invalid packet type {encoded_packet[:1]!r}")
        self.packet_type = int(head["type"])
        if len(head["attachments"] or "") > 10:
            raise ValueError("too many attachments")
        namespace = head["namespace"]
        self.namespace = namespace.partition("?")[0] if namespace else None
        if len(head["id"]) > 100:
            raise ValueError("id field is too long")
        if head["id"]:
            self.id = int(head["id"])
        rest = encoded_packet[head.end() :]
        self.data = self.json.loads(rest) if rest else None
        return int(head["attachments"] or 0)

    def add_attachment(self, attachment: Any) -> bool:
        """Adds the next attachment. True when it was the last: then `data` is complete."""
        if len(self.attachments) >= self.attachment_count:
            raise ValueError("Unexpected binary attachment")
        self.attachments.append(attachment)
        if len(self.attachments) < self.attachment_count:
            return False
        self.data = self.reconstruct_binary(self.data, self.attachments)
        return True

    @classmethod
    def reconstruct_binary(cls, data: Any, attachments: list[Any]) -> Any:
        """`data` with its placeholders replaced by the attachments."""
        if isinstance(data, list):
            return [cls.reconstruct_binary(item, attachments) for item in data]
        if isinstance(data, dict):
            if data.get("_placeholder") and "num" in data:
                return attachments[data["num"]]
            return {key: cls.reconstruct_binary(item, attachments) for key, item in data.items()}
        return data

    @classmethod
    def deconstruct_binary(cls, data: Any) -> tuple[Any, list[Any]]:
        """`data` with placeholders for its bytes, and the bytes."""
        attachments: list[Any] = []

        def replace(value: Any) -> Any:
            if isinstance(value, (bytes, bytearray)):
                attachments.append(value)
                return {"_placeholder": True, "num": len(attachments) - 1}
            if isinstance(value, list):
                return [replace(item) for item in value]
            if isinstance(value, dict):
                return {key: replace(item) for key, item in value.items()}
            return value

        return replace(data), attachments

    @classmethod
    def data_is_binary(cls, data: Any) -> bool:
        """Whether there are bytes in `data`."""
        if isinstance(data, (list, dict)):
            return any(map(cls.data_is_binary, data if isinstance(data, list) else data.values()))
        return isinstance(data, (bytes, bytearray))
