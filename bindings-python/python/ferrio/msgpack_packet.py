"""Socket.IO packets in MessagePack, the form of ``socket.io-msgpack-parser``. Needs the package ``msgpack``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .packet import Packet


class MsgPackPacket(Packet):
    """One packet. Bytes are values like others: there are no attachments."""

    uses_binary_events = False
    #: Given to `msgpack.dumps` and `msgpack.loads`.
    dumps_default: ClassVar[Any] = None
    ext_hook: ClassVar[Any] = None

    @classmethod
    def configure(
        cls, dumps_default: Callable[[Any], Any] | None = None, ext_hook: Callable[[int, bytes], Any] | None = None
    ) -> type[MsgPackPacket]:
        """A class of packets that writes other types by `dumps_default` and reads extension types by `ext_hook`."""
        return type(
            cls.__name__,
            (cls,),
            {
                "dumps_default": staticmethod(dumps_default) if dumps_default else None,
                "ext_hook": staticmethod(ext_hook) if ext_hook else None,
            },
        )

    def encode(self) -> bytes:
        """The packet."""
        import msgpack  # type: ignore[import-not-found,import-untyped,unused-ignore]

        fields = {"type": self.packet_type, "data": self.data, "nsp": self.namespace}
        if self.id is not None:
            fields["id"] = self.id
        packed: bytes = msgpack.dumps(fields, default=self.dumps_default)
        return packed

    def decode(self, encoded_packet: Any) -> int:
        """Reads a packet."""
        import msgpack  # type: ignore[import-not-found,import-untyped,unused-ignore]

        options = {} if self.ext_hook is None else {"ext_hook": self.ext_hook}
        fields = msgpack.loads(encoded_packet, **options)
        self.packet_type = fields["type"]
        self.data = fields.get("data")
        self.id = fields.get("id")
        self.namespace = fields["nsp"]
        return 0
