"""A connection that breaks, and comes back."""

from __future__ import annotations

from typing import Any

import pytest

from peers import patiently, until

OPTIONS = {"reconnection": True, "reconnection_delay": 0.02, "reconnection_delay_max": 0.05, "randomization_factor": 0}


async def test_it_comes_back_with_all_its_namespaces(face, site):
    asked: list[str] = []

    def auth() -> dict[str, Any]:
        asked.append("auth")
        return {"attempt": len(asked)}

    client = face.client(**OPTIONS)
    for namespace in ("/", "/other"):
        client.on("connect", face.tells("connect " + namespace), namespace=namespace)
        client.on("disconnect", face.tells("disconnect " + namespace), namespace=namespace)
        client.on("__disconnect_final", face.tells("final"), namespace=namespace)
    await face.do(client.connect, site.url, auth=auth)
    assert {await face.get(), await face.get()} == {"connect /", "connect /other"}
    first = client.get_sid()
    await site.close()
    gone = {await face.get(), await face.get()}
    assert gone == {("disconnect /", "transport error"), ("disconnect /other", "transport error")}
    assert not client.connected
    await site.open()
    assert {await face.get(), await face.get()} == {"connect /", "connect /other"}
    await until(lambda: client.connected)
    assert client.get_sid() != first
    assert client.transport() == "websocket"
    assert await face.do(client.call, "echo", 1) == 1
    assert (await site.get())[3] == {"attempt": 1}
    while (heard := await site.get())[0] != "connect":
        pass
    assert heard[3]["attempt"] > 1


async def test_it_gives_up(face, site):
    client = face.client(**OPTIONS, reconnection_attempts=2)
    client.on("connect_error", lambda *_: face.put("error"))
    client.on("disconnect", face.tells("disconnect"))
    client.on("__disconnect_final", face.tells("final"))
    await face.do(client.connect, site.url)
    waiting = face.start(client.wait)
    await site.close()
    assert await face.get() == ("disconnect", "transport error")
    assert [await face.get() for _ in range(3)] == ["error", "error", "final"]
    await patiently(waiting)
    assert await face.silent()


async def test_shutdown_ends_the_attempts(face, site):
    client = face.client(**OPTIONS | {"reconnection_delay": 60, "reconnection_delay_max": 60})
    client.on("disconnect", face.tells("disconnect"))
    client.on("__disconnect_final", face.tells("final"))
    await face.do(client.connect, site.url)
    await site.close()
    assert await face.get() == ("disconnect", "transport error")
    await patiently(face.do(client.shutdown))
    assert await face.get() == "final"


async def test_without_reconnection(face, site):
    client = face.client()
    client.on("disconnect", face.tells("disconnect"))
    client.on("__disconnect_final", face.tells("final"))
    await face.do(client.connect, site.url)
    await site.close()
    assert await face.get() == ("disconnect", "transport error")
    assert await face.get() == "final"
    await patiently(face.do(client.wait))


async def test_the_first_attempt_may_be_retried(face, site):
    client = face.client(**OPTIONS)
    client.on("connect_error", lambda *_: face.put("error"))
    client.on("connect", face.tells("connect"))
    await site.close()
    connecting = face.start(client.connect, site.url, retry=True)
    assert await face.get() == "error"
    await site.open()
    while (heard := await face.get()) == "error":
        pass
    assert heard == "connect"
    await patiently(connecting)
    assert client.connected
    assert await face.do(client.call, "echo", 1) == 1


FORMULA = [
    ({"reconnection_delay": 1, "reconnection_delay_max": 5, "randomization_factor": 0}, 0.5, [1, 2, 4, 5, 5]),
    ({"reconnection_delay": 2, "reconnection_delay_max": 3, "randomization_factor": 0.5}, 1.0, [2.5, 3.5, 3.5]),
    ({"reconnection_delay": 1, "reconnection_delay_max": 9, "randomization_factor": 0.5}, 0.0, [0.5, 1.5, 3.5]),
]


@pytest.mark.parametrize(("options", "draw", "expected"), FORMULA)
def test_delays(socketio, monkeypatch, options, draw, expected):
    """min(delay * 2^n, max), and a random part that is added."""
    if socketio.__name__ == "ferrio":
        from ferrio._connections import delays

        made = delays(*options.values(), lambda: draw)
        assert [next(made) for _ in expected] == expected
        return
    waited: list[float] = []

    class Abort:
        def clear(self) -> None: ...

        def wait(self, timeout: float) -> None:
            waited.append(timeout)

    monkeypatch.setattr("random.random", lambda: draw)
    client = socketio.Client(reconnection_attempts=len(expected), handle_sigint=False, **options)
    client._reconnect_abort = Abort()
    monkeypatch.setattr(client, "connect", lambda *_, **__: exec("raise ValueError"))
    client._handle_reconnect()
    assert waited == expected
