"""The listener of ferrio's own."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest

from peers import patiently, until

pytestmark = pytest.mark.ferrio_only


async def test_serve_until_cancelled(sio, connect):
    reasons = asyncio.Queue()
    sio.on("disconnect", lambda sid, reason: reasons.put_nowait(reason))
    serving = asyncio.create_task(sio.serve("127.0.0.1", 0))
    await until(lambda: sio.addresses)
    [(host, port)] = sio.addresses
    client = await connect(f"http://{host}:{port}")
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert reasons.get_nowait() == "server disconnect"
    await patiently(client.gone.get())
    assert sio.addresses == []
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection(host, port)


async def test_serve_until_shutdown(sio):
    serving = asyncio.create_task(sio.serve("127.0.0.1", 0))
    await until(lambda: sio.addresses)
    await sio.shutdown()
    await patiently(serving)


async def test_it_starts_again(sio, connect):
    for _ in range(2):
        host, port = await sio.listen()
        client = await connect(f"http://{host}:{port}")
        await sio.emit("x", to=client.sid_in())
        assert await client.next() == ("x",)
        await sio.shutdown()


async def test_two_listeners(sio, connect):
    urls = [f"http://{host}:{port}" for host, port in [await sio.listen(), await sio.listen()]]
    clients = [await connect(url) for url in urls]
    await sio.emit("x")
    assert [await client.next() for client in clients] == [("x",), ("x",)]
    await sio.shutdown()


async def test_tls(sio, connect, certificate):
    certfile, keyfile = certificate
    host, port = await sio.listen(ssl_certfile=certfile, ssl_keyfile=keyfile)
    sio.on("x", lambda sid: sio.get_environ(sid)["wsgi.url_scheme"])
    client = await connect(f"https://{host}:{port}", transports=["polling", "websocket"])
    assert await client.call("x") == "https"
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://{host}:{port}/socket.io/?EIO=4&transport=polling")
    await sio.shutdown()


async def test_what_cannot_be_listened_on(sio, tmp_path):
    with pytest.raises(ValueError, match="go together"):
        await sio.listen(ssl_certfile="x")
    with pytest.raises(OSError, match=r"."):
        await sio.listen(ssl_certfile=str(tmp_path / "none"), ssl_keyfile=str(tmp_path / "none"))
    host, port = await sio.listen()
    with pytest.raises(OSError, match="in use"):
        await sio.listen(host, port)
    await sio.shutdown()


async def test_other_paths_are_not_found(sio):
    host, port = await sio.listen()
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/other") as response:
        assert response.status == 404
    await sio.shutdown()


async def test_environ(sio, connect):
    host, port = await sio.listen()
    client = await connect(f"http://{host}:{port}", headers={"X-Forwarded-Proto": "https"})
    environ = sio.get_environ(client.sid_in())
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["SERVER_SOFTWARE"] == "ferrio"
    await sio.shutdown()


def test_the_certificate_fixture_is_a_certificate(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
