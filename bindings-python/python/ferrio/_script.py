"""Sessions whose client is played by a program: what Flask-SocketIO's test client does to a server.

It calls `_handle_eio_connect` and `_handle_eio_message` where python-engineio would, and puts a function of its own in the
place of `_send_packet`. The handlers run in the thread of the call and have run when it returns; their exceptions are the
caller's.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from . import _modes
from .packet import Packet

if TYPE_CHECKING:
    from .server import Server

#: The session opens as a WebSocket would.
QUERY = "EIO=4&transport=websocket"
HEADERS = [
    (b"upgrade", b"websocket"),
    (b"connection", b"upgrade"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
]


class Scripts:
    """The scripted sessions of a server, by the id that the program gave them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.links: dict[str, Link] = {}
        self.playing = threading.local()

    def connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        """Opens a session, unless it is there."""
        server = self.server
        server._start(server._options_text)
        if eio_sid not in self.links:
            link = self.links[eio_sid] = Link(self, eio_sid)
            target = f"/{server._path}/?{QUERY}"
            link.number = server._open_link(link, target, HEADERS, "127.0.0.1", False, environ, eio_sid)
            self.settle()
            if eio_sid not in self.links:
                raise RuntimeError("a scripted session needs a server whose transports include 'websocket'")
        server.environ[eio_sid] = environ

    def receive(self, eio_sid: str, message: str | bytes) -> None:
        """What the client sends."""
        link = self.links[eio_sid]
        self.server._feed(link.number, "4" + message if isinstance(message, str) else bytes(message))
        self.settle()

    def disconnect(self, eio_sid: str) -> None:
        """The client goes away."""
        link = self.links.pop(eio_sid, None)
        if link is not None:
            self.server._link_closed(link.number, False)
            self.settle()

    def settle(self) -> None:
        """Lets everything happen that follows from what was done, and from that."""
        if getattr(self.playing, "now", False):
            # Within a handler: whoever called it goes on until nothing is left.
            return
        self.playing.now = True
        try:
            while self._wait() and self._play():
                pass
        finally:
            self.playing.now = False

    def _wait(self) -> bool:
        try:
            self.server._barrier().result()
        except _modes.Cancelled:
            return False
        return True

    def _play(self) -> bool:
        """Runs what the sessions' events lead to. False: nothing."""
        played = False
        seat = self.server._script_seat()
        while seat is not None and (call := seat.next()) is not None:
            played = True
            handler, args = call
            try:
                result = handler(*args)
            except BaseException:
                seat.abandon()
                raise
            seat.done(result)
        return played


class Link:
    """The engine's side of a scripted session: packets go to what stands in the place of `_send_packet`."""

    def __init__(self, scripts: Scripts, eio_sid: str) -> None:
        self.scripts = scripts
        self.eio_sid = eio_sid
        self.number = 0
        #: A packet whose attachments are still to come.
        self.unfinished: Packet | None = None

    # Called by the engine.

    def write(self, frames: list[tuple[str | bytes, int]]) -> None:
        for frame, size in frames:
            if isinstance(frame, bytes):
                if self.unfinished is not None and self.unfinished.add_attachment(frame):
                    self._deliver(self.unfinished)
            elif frame.startswith("4"):
                packet = Packet(encoded_packet=frame[1:])
                if packet.attachment_count:
                    self.unfinished = packet
                else:
                    self._deliver(packet)
            self.scripts.server._link_sent(self.number, size)

    def finish(self) -> None:
        self.scripts.links.pop(self.eio_sid, None)

    def _deliver(self, packet: Packet) -> None:
        self.unfinished = None
        receiver = vars(self.scripts.server).get("_send_packet")
        if receiver is not None:
            receiver(self.eio_sid, packet)
