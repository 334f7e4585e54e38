"""The examples with threads: each is started, and spoken to."""

from __future__ import annotations

import asyncio
import pathlib
import socket

import aiohttp
import pytest

from peers import patiently

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples" / "python"
pytestmark = pytest.mark.ferrio_only


@pytest.fixture
def example(start):
    """Starts an example by itself or under gunicorn; gives its URL."""

    def run(name, how):
        if how == "gunicorn":
            arguments = ["-m", "gunicorn", "-k", "gthread", "--threads", "20", "-b", "127.0.0.1:0"]
            arguments += ["--no-control-socket", "--chdir", str(EXAMPLES), f"{name}:app"]
            return start(*arguments, port=r"Listening at: http://127.0.0.1:(\d+)").url
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        return start(str(EXAMPLES / f"{name}.py"), str(port), port=r"Running on http://127.0.0.1:(\d+)").url

    return run


async def get(url, **options):
    """The answer's body and cookies, for a client to send."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(options.pop("method", "GET"), url, **options) as answer,
    ):
        assert answer.status == 200
        return await answer.text(), {"Cookie": "; ".join(f"{c.key}={c.value}" for c in answer.cookies.values())}


@pytest.mark.parametrize("how", ["alone", "gunicorn"])
async def test_flask(example, connect, how):
    url = example("flask_chat", how)
    refused = await connect(url, wait=False)
    assert await patiently(refused.errors.get()) == {"message": "a name is needed"}
    ann, bob = await connect(url, auth={"name": "Ann"}), await connect(url, auth={"name": "Bob"})
    assert await get(url + "/") == ("2 clients are connected", {"Cookie": ""})
    assert await ann.call("join", "garden") == ["garden"]
    assert await bob.call("join", "garden") == ["garden"]
    assert await ann.next() == ("joined", "Bob")
    assert await bob.call("say", ("garden", "hello")) == "delivered"
    assert await ann.next() == await bob.next() == ("said", "Bob", "hello")
    await get(url + "/announce", method="POST", data="dinner")
    assert await ann.next() == await bob.next() == ("announcement", "dinner")


@pytest.mark.parametrize("how", ["alone", "gunicorn"])
async def test_flask_socketio(example, connect, how):
    url = example("flask_socketio_chat", how)
    body, cookie = await get(url + "/login/Ann")
    assert body == "hello Ann"
    client = await connect(url, headers=cookie)
    assert await client.next() == ("who", "Ann")
    assert await client.call("message", "hi") == "delivered"
    assert await client.next() == ("message", "hi")
    await client.emit("join", "garden")
    assert await client.next() == ("joined", "Ann")
    await client.emit("work", 3)
    assert await client.take(3) == [("progress", 1), ("progress", 2), ("progress", 3)]
    polling = await connect(url, transports=["polling"])
    assert await polling.next() == ("who", "nobody")


@pytest.mark.parametrize("how", ["alone", "gunicorn"])
async def test_django(example, connect, how):
    url = example("django_chat", how)
    body, cookie = await get(url + "/login/Ann")
    assert body == "hello Ann"
    client = await connect(url, headers=cookie, namespaces=["/chat", "/"])
    assert await client.call("say", "hello", namespace="/chat") == "delivered"
    assert await client.next() == ("/chat", "said", "Ann", "hello")
    await get(url + "/announce", method="POST", data="dinner")
    assert await client.next() == ("announcement", "dinner")
    await asyncio.gather(*(client.call("say", str(n), namespace="/chat") for n in range(5)))
