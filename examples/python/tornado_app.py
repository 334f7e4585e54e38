"""Namespaces in a Tornado application: ``python tornado_app.py [PORT]``."""

import asyncio
import signal
import sys
from typing import Any

import ferrio
import tornado.web

sio = ferrio.AsyncServer(async_mode="tornado")


class Rooms(ferrio.AsyncNamespace):
    """One class for the events of a namespace."""

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        await self.emit("rooms", ["lobby"], to=sid)

    async def on_enter(self, sid: str, room: str) -> list[str]:
        await self.enter_room(sid, room)
        await self.emit("entered", {"room": room}, room=room, skip_sid=sid)
        return sorted(room for room in self.rooms(sid) if room != sid)


class Index(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write("the namespace is /rooms")


async def main(port: int) -> None:
    sio.register_namespace(Rooms("/rooms"))
    application = tornado.web.Application([("/", Index), ("/socket.io/", ferrio.get_tornado_handler(sio))])
    server = application.listen(port, "127.0.0.1")
    told = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    await told.wait()
    server.stop()
    await sio.shutdown()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8888))
