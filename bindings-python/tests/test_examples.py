"""The programs of ``examples/python``, each started as its first lines say and spoken to."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

import hosts
from hosts import PYTHON, UVICORN, Host, Served
from peers import patiently

pytestmark = pytest.mark.ferrio_only

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"

PROGRAMS = {
    "fastapi": Host(("uvicorn", "fastapi"), [*UVICORN, "fastapi_app:app"]),
    "serve": Host(("fastapi",), [*PYTHON, "serve_app.py", "{port}"]),
    "aiohttp": Host(("aiohttp",), [*PYTHON, "aiohttp_app.py", "{port}"]),
    "tornado": Host(("tornado",), [*PYTHON, "tornado_app.py", "{port}"]),
}


@pytest_asyncio.fixture
async def start(monkeypatch):
    monkeypatch.setattr(hosts, "PROGRAMS", EXAMPLES)
    running = []

    async def start(name, *more):
        host = PROGRAMS[name]
        if host.missing is not None:
            pytest.skip(f"{host.missing} is not here")
        served = await Served.start(replace(host, command=[*host.command, *more]))
        running.append(served)
        return served

    yield start
    for served in running:
        await served.kill()


async def ends_well(served):
    status, _, errors = await served.stop()
    assert status in (0, -15)
    assert errors == ""


async def test_the_clients(start, connect):
    served = await start("serve")
    ada = await connect(served.url, auth={"name": "Ada"})
    member = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / "client_app.py"), "Grace", served.url, stdin=PIPE, stdout=PIPE
    )
    listener = await asyncio.create_subprocess_exec(
        sys.executable, "-u", str(EXAMPLES / "simple_client.py"), served.url, stdout=PIPE
    )
    # Both have come, and the listener says hello.
    assert ("joined", "Grace") in await ada.take(3)
    await ada.call("say", "hello")
    while b"Ada" not in (line := await patiently(listener.stdout.readline())):
        assert line
    output, _ = await patiently(member.communicate(b"hello, Ada\n"))
    assert "connected by websocket" in output.decode()
    assert "the server says heard" in output.decode()
    listener.kill()
    await listener.wait()
    await served.kill()


@pytest.mark.parametrize("name", ["fastapi", "serve"])
async def test_the_chat(start, connect, name):
    served = await start(name)
    ada = await connect(served.url, auth={"name": "Ada"}, transports=["polling", "websocket"])
    grace = await connect(served.url, auth={"name": "Grace"})
    assert await ada.next() == ("joined", "Grace")
    assert await grace.call("say", "hello") == "heard"
    assert await ada.next() == ("said", {"name": "Grace", "text": "hello"})
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{served.url}/people") as response:
            assert await response.json() == ["Ada", "Grace"]
        async with session.post(f"{served.url}/announce", params={"text": "tea"}) as response:
            assert await response.json() == {"told": 2}
    assert await ada.next() == ("announcement", "tea")
    await grace.disconnect()
    assert await ada.next() == ("left", "Grace")
    await ends_well(served)


async def test_the_chat_with_tls(start, connect, certificate):
    served = await start("serve", *certificate)
    client = await connect(served.url.replace("http", "https"), auth={"name": "Ada"})
    assert await client.call("say", "hello") == "heard"
    await ends_well(served)


async def test_the_ticker(start, connect):
    served = await start("aiohttp")
    client = await connect(served.url, headers={"User-Agent": "a test"})
    assert await client.call("subscribe", "FRIO") == {"symbol": "FRIO", "to": "a test"}
    first, second = [(await client.next())[1]["price"] for _ in range(2)]
    assert second == first + 1
    await ends_well(served)


async def test_the_namespace(start, connect):
    served = await start("tornado")
    one, two = [await connect(served.url, namespaces=["/rooms"]) for _ in range(2)]
    assert await one.next() == ("/rooms", "rooms", ["lobby"])
    assert await one.call("enter", "den", namespace="/rooms") == ["den"]
    assert await two.next() == ("/rooms", "rooms", ["lobby"])
    assert await two.call("enter", "den", namespace="/rooms") == ["den"]
    assert await one.next() == ("/rooms", "entered", {"room": "den"})
    await ends_well(served)


async def test_examples_are_typed():
    pytest.importorskip("mypy")
    if find_spec("tornado") is None:
        pytest.skip("tornado is not here")
    from mypy import api

    # Django and Flask-SocketIO bring no types.
    typed = sorted(set(EXAMPLES.glob("*.py")) - {EXAMPLES / "django_chat.py", EXAMPLES / "flask_socketio_chat.py"})
    output, errors, status = api.run(["--strict", "--no-error-summary", *map(str, typed)])
    assert status == 0, output + errors
