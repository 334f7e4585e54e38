"""Handlers as methods of a class."""

from __future__ import annotations

from typing import Any

import pytest


async def test_methods_hear_events_and_speak_for_their_namespace(face, site):
    class Other(face.ClientNamespace):
        def on_connect(self) -> None:
            face.put("connect")

        def on_echo(self, *args: Any) -> None:
            face.put("echo", *args)

        def on_disconnect(self, reason: str) -> None:
            face.put("disconnect", reason)

    client = face.client()
    methods = Other("/other")
    client.register_namespace(methods)
    assert methods.client is client
    await face.do(client.connect, site.url)
    assert await face.get() == "connect"
    assert set(client.namespaces) == {"/other"}
    await face.do(methods.emit, "echo", (1, 2))
    assert await face.get() == ("echo", 1, 2)
    assert await face.do(methods.call, "echo", 3) == 3
    assert await face.get() == ("echo", 3)
    await face.do(methods.send, "x")
    await face.do(methods.disconnect)
    assert await face.get() == ("disconnect", "client disconnect")


async def test_disconnect_without_a_reason(face, site):
    class Old(face.ClientNamespace):
        def on_disconnect(self) -> None:
            face.put("disconnect")

    client = face.client()
    client.register_namespace(Old("/"))
    await face.do(client.connect, site.url)
    await face.do(client.disconnect)
    assert await face.get() == "disconnect"


async def test_a_class_may_dispatch_in_its_own_way(face, site):
    if face.threads:

        class Own(face.ClientNamespace):
            def trigger_event(self, event: str, *args: Any) -> Any:
                face.put(event, *args)
    else:

        class Own(face.ClientNamespace):
            async def trigger_event(self, event: str, *args: Any) -> Any:
                face.put(event, *args)

    client = face.client()
    client.register_namespace(Own("/"))
    await face.do(client.connect, site.url)
    assert await face.get() == "connect"
    await face.do(client.emit, "echo", 1)
    assert await face.get() == ("echo", 1)
    await face.do(client.disconnect)
    assert await face.get() == ("disconnect", "client disconnect")
    assert await face.get() == "__disconnect_final"


async def test_coroutine_methods(socketio, site):
    heard: list[Any] = []

    class Own(socketio.AsyncClientNamespace):
        async def on_question(self, number: int) -> int:
            heard.append(await self.call("echo", number))
            return number + 1

    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    client.register_namespace(Own())
    await client.connect(site.url)
    await site.get()
    await client.emit("ask", ("question", 41))
    assert await site.get() == 42
    assert heard == [41]
    await client.disconnect()


async def test_wrong_classes(socketio):
    client = socketio.Client(handle_sigint=False)
    with pytest.raises(ValueError, match=r"^Not a namespace instance$"):
        client.register_namespace(123)
    with pytest.raises(ValueError, match=r"^Not a namespace instance$"):
        client.register_namespace(socketio.Namespace("/"))
    with pytest.raises(ValueError, match=r"^Not a valid namespace class for this client$"):
        client.register_namespace(socketio.AsyncClientNamespace("/"))
