"""Servers that are none, and what a client says of them."""

import asyncio

ANSWERS = [
    ("404 Not Found", "text/html", b"<html>no</html>"),
    ("403 Forbidden", "application/json", b'{"why": "so"}'),
    ("500 Internal Server Error", "text/plain", b""),
    ("200 OK", "text/plain", b"6"),
    ("200 OK", "text/plain", b"4hello"),
]


async def play(stage):
    for status, kind, body in ANSWERS:

        async def answer(reader, writer, status=status, kind=kind, body=body):
            await reader.readuntil(b"\r\n\r\n")
            head = (
                f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for transport in ("polling", "websocket"):
            stage.say(transport, status, kind)
            client = stage.own_client()
            client.on("connect_error", stage.tells("connect_error"))
            await stage.attempt(client.connect, url, transports=[transport])
            await stage.say_next()
        server.close()
        await server.wait_closed()
