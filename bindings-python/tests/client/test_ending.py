"""How connections end, by whom, and what follows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from peers import patiently, until

pytestmark = pytest.mark.every_server


async def connected(face: Any, site: Any, **options: Any) -> Any:
    client = face.client(**options)
    for event in ("connect", "disconnect", "__disconnect_final"):
        client.on(event, face.tells(event))
    await face.do(client.connect, site.url)
    assert await face.get() == "connect"
    _, sid, _, _ = await site.get()
    assert sid == client.get_sid()
    return client


async def test_the_client_disconnects(face, site):
    client = await connected(face, site)
    sid = client.get_sid()
    await face.do(client.disconnect)
    assert not client.connected
    assert client.namespaces == {}
    assert client.sid is None
    assert await face.get() == ("disconnect", "client disconnect")
    assert await face.get() == "__disconnect_final"
    assert (await site.get())[:2] == ("disconnect", sid)
    with pytest.raises(face.socketio.exceptions.BadNamespaceError):
        await face.do(client.emit, "echo")
    await face.do(client.disconnect)
    assert await face.silent()


@pytest.mark.ferrio_only
async def test_what_was_emitted_before_arrives(face, site):
    got: list[int] = []
    site.sio.on("number", lambda sid, number: got.append(number))
    client = await connected(face, site)
    for number in range(20):
        await face.do(client.emit, "number", number)
    await face.do(client.disconnect)
    assert (await site.get())[0] == "disconnect"
    await until(lambda: len(got) == 20)
    assert got == list(range(20))


async def test_an_older_handler_takes_no_reason(face, site):
    client = face.client()
    client.on("disconnect", lambda: face.put("gone"))
    await face.do(client.connect, site.url)
    await face.do(client.disconnect)
    assert await face.get() == "gone"


async def test_the_server_disconnects(face, site):
    client = await connected(face, site, reconnection=True)
    await face.do(client.emit, "leave")
    assert await face.get() == ("disconnect", "server disconnect")
    assert await face.get() == "__disconnect_final"
    await patiently(face.do(client.wait))
    assert not client.connected
    assert client.namespaces == {}
    assert await face.silent()


async def test_the_server_disconnects_one_namespace_of_two(face, site):
    client = face.client()
    client.on("disconnect", face.tells("disconnect"), namespace="/other")
    await face.do(client.connect, site.url, namespaces=["/", "/other"])
    await face.do(client.emit, "leave", namespace="/other")
    assert await face.get() == ("disconnect", "server disconnect")
    await until(lambda: set(client.namespaces) == {"/"})
    assert client.connected
    assert await face.do(client.call, "echo", 1) == 1
    with pytest.raises(face.socketio.exceptions.BadNamespaceError):
        await face.do(client.emit, "echo", namespace="/other")


async def test_wait_ends_with_the_connection(face, site):
    client = await connected(face, site)
    waiting = face.start(client.wait)
    await face.do(client.call, "echo", 1)
    assert not waiting.done()
    await face.do(client.disconnect)
    await patiently(waiting)


async def test_wait_of_a_client_that_was_never_connected(face, site):
    client = face.client()
    await patiently(face.do(client.wait))


async def test_shutdown(face, site):
    client = await connected(face, site)
    await face.do(client.shutdown)
    assert not client.connected
    assert await face.get() == ("disconnect", "client disconnect")
    await face.do(client.shutdown)


async def test_disconnecting_in_a_handler(face, site):
    client = face.client()
    client.on("echo", lambda *_: face.put("called"))

    if face.threads:

        def go() -> None:
            client.disconnect()
            face.put("went")
    else:

        async def go() -> None:
            await client.disconnect()
            face.put("went")

    client.on("go", go)
    client.on("disconnect", face.tells("disconnect"))
    await face.do(client.connect, site.url)
    await face.do(client.emit, "ask", "go")
    assert await face.get() == ("disconnect", "client disconnect")
    assert await face.get() == "went"
    assert not client.connected


async def test_background_tasks_and_sleep(face, site):
    client = face.client()
    if face.threads:

        def task(number: int, *, name: str) -> None:
            client.sleep(0.01)
            face.put(number, name)

        client.start_background_task(task, 1, name="x").join()
    else:

        async def task(number: int, *, name: str) -> None:
            await client.sleep(0.01)
            face.put(number, name)

        started = client.start_background_task(task, 1, name="x")
        assert isinstance(started, asyncio.Task)
        await started
    assert await face.get() == (1, "x")
