"""How a client connects, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

pytestmark = pytest.mark.every_server


async def test_it_connects_over_polling_and_moves_to_a_websocket(face, site):
    client = face.client()
    client.on("connect", face.tells("connect"))
    await face.do(client.connect, site.url)
    assert client.connected
    assert await face.get() == "connect"
    assert client.transport() == "websocket"
    assert client.namespaces == {"/": client.get_sid()}
    assert client.sid
    assert client.sid != client.get_sid()
    _, sid, environ, _ = await site.get()
    assert sid == client.get_sid()
    assert "transport=polling" in environ["QUERY_STRING"]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_one_transport(face, site, transport):
    client = face.client()
    await face.do(client.connect, site.url, transports=transport)
    assert client.transport() == transport
    assert await face.do(client.call, "echo", "x") == "x"
    await face.do(client.disconnect)


async def test_namespaces_are_those_with_handlers(face, site):
    client = face.client()
    client.on("echo", face.tells("echo"), namespace="/other")
    client.on("echo", face.tells("any"), namespace="*")
    await face.do(client.connect, site.url)
    assert set(client.namespaces) == {"/other"}
    assert client.get_sid() is None
    assert client.get_sid("/other")
    assert client.connection_namespaces == ["/other"]
    with pytest.raises(face.socketio.exceptions.BadNamespaceError, match=r"^/ is not a connected namespace\.$"):
        await face.do(client.emit, "echo")


# python-socketio's client for threads may take one that is still running for a refusal.
@pytest.mark.ferrio_only
async def test_connecting_waits_for_the_connect_handlers(face, site):
    client = face.client()
    heard: list[str] = []

    async def slow() -> None:
        await asyncio.sleep(0.05)
        heard.append("/other")

    def slow_in_a_thread() -> None:
        time.sleep(0.05)
        heard.append("/other")

    client.on("connect", lambda: heard.append("/"))
    client.on("connect", slow_in_a_thread if face.threads else slow, namespace="/other")
    for _ in range(5):
        await face.do(client.connect, site.url, transports="websocket")
        assert sorted(heard) == ["/", "/other"]
        assert client.connected
        await face.do(client.disconnect)
        heard.clear()


@pytest.mark.parametrize("namespaces", ["/other", ["/", "/other"]])
async def test_namespaces_that_are_given(face, site, namespaces):
    client = face.client()
    await face.do(client.connect, site.url, namespaces=namespaces)
    assert set(client.namespaces) == ({namespaces} if isinstance(namespaces, str) else set(namespaces))
    assert await face.do(client.call, "echo", 1, namespace="/other") == 1


async def test_headers_auth_query_and_path(face, site):
    client = face.client()
    await face.do(client.connect, site.url + "?a=b", headers={"X-Test": "yes"}, auth={"token": "t"})
    _, _, environ, auth = await site.get()
    assert environ["HTTP_X_TEST"] == "yes"
    assert "a=b" in environ["QUERY_STRING"]
    assert auth == {"token": "t"}
    assert client.connection_url == site.url + "?a=b"
    assert client.connection_headers == {"X-Test": "yes"}
    assert client.connection_auth == {"token": "t"}
    assert client.connection_transports is None


async def test_url_headers_and_auth_may_be_functions(face, site):
    def url() -> str:
        return site.url

    def headers() -> dict[str, str]:
        return {"X-Test": "made"}

    def auth() -> dict[str, Any]:
        return {"token": "made"}

    client = face.client()
    await face.do(client.connect, url, headers, auth)
    _, _, environ, got = await site.get()
    assert environ["HTTP_X_TEST"] == "made"
    assert got == {"token": "made"}


async def test_they_may_be_coroutine_functions(socketio, site):
    async def url() -> str:
        await asyncio.sleep(0)
        return site.url

    async def auth() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"token": "awaited"}

    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    await client.connect(url, auth=auth)
    assert (await site.get())[3] == {"token": "awaited"}
    await client.disconnect()


async def test_a_client_connects_once(face, site):
    client = face.client()
    await face.do(client.connect, site.url)
    with pytest.raises(face.socketio.exceptions.ConnectionError, match=r"^Already connected$"):
        await face.do(client.connect, site.url)
    assert await face.do(client.call, "echo", 1) == 1


async def test_and_again_after_it_was_disconnected(face, site):
    client = face.client()
    for number in range(3):
        await face.do(client.connect, site.url)
        assert await face.do(client.call, "echo", number) == number
        await face.do(client.disconnect)
        assert not client.connected
        assert client.namespaces == {}
        assert client.sid is None


async def test_without_waiting_namespaces_come_later(face, site):
    client = face.client()
    client.on("connect", face.tells("connect"))
    await face.do(client.connect, site.url, wait=False)
    assert client.connected
    assert await face.get() == "connect"
    assert client.get_sid()


async def test_a_refused_namespace(face, site):
    client = face.client()
    client.on("connect_error", face.tells("error"), namespace="/refused")
    expected = "^One or more namespaces failed to connect: /refused$"
    with pytest.raises(face.socketio.exceptions.ConnectionError, match=expected):
        await face.do(client.connect, site.url, namespaces=["/", "/refused"])
    assert await face.get() == ("error", {"message": "no entry", "data": {"code": 7}})
    assert not client.connected
    assert client.failed_namespaces == ["/refused"]


async def test_nobody_listens(face, site):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        client = face.client()
        client.on("connect_error", face.tells("error"))
        with pytest.raises(face.socketio.exceptions.ConnectionError) as raised:
            await face.do(client.connect, f"http://127.0.0.1:{port}")
        assert await face.get() == ("error", str(raised.value))
        with pytest.raises(face.socketio.exceptions.ConnectionError, match=r"^Connection error$"):
            await face.do(client.connect, f"http://127.0.0.1:{port}", transports=["websocket"])
        assert await face.get() == ("error", "Connection error")
    assert not client.connected


async def test_an_answer_of_another_status(face, answering):
    client = face.client()
    client.on("connect_error", face.tells("error"))
    url = await answering("403 Forbidden", b'{"why": "so"}', "Content-Type: application/json\r\n")
    with pytest.raises(
        face.socketio.exceptions.ConnectionError, match=r"^Unexpected status code 403 in server response$"
    ):
        await face.do(client.connect, url)
    assert await face.get() == ("error", {"why": "so"})


async def test_an_answer_that_is_no_handshake(face, answering):
    client = face.client()
    client.on("connect_error", face.tells("error"))
    url = await answering("200 OK", b"6", "Content-Type: text/plain\r\n")
    with pytest.raises(face.socketio.exceptions.ConnectionError, match=r"^OPEN packet not returned by server$"):
        await face.do(client.connect, url)
    assert await face.get() == ("error", "OPEN packet not returned by server")


async def test_transports_that_do_not_exist(face, site):
    client = face.client()
    with pytest.raises(ValueError, match=r"^No valid transports provided$"):
        await face.do(client.connect, site.url, transports=["pigeon"])
    assert not client.connected


async def test_a_namespace_that_is_not_answered_for(face, site):
    never = asyncio.Event()

    @site.sio.on("connect", namespace="/slow")
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        await never.wait()

    client = face.client()
    with pytest.raises(face.socketio.exceptions.ConnectionError, match=r"^Unexpected connection error$"):
        await face.do(client.connect, site.url, namespaces=["/slow"], wait_timeout=0.2)
    assert not client.connected
    never.set()
