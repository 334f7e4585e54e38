"""What clients may cost: options of ferrio's own."""

from __future__ import annotations

import asyncio
import re

import pytest

from peers import patiently

pytestmark = pytest.mark.ferrio_only

PIECE = "x" * 100_000


def endings(sio):
    """How clients end."""
    ended: asyncio.Queue = asyncio.Queue()
    sio.on("disconnect", lambda sid, reason: ended.put_nowait((sid, reason)))
    return ended


def struck(sio):
    """The limits that struck, and how often."""
    return {name: count for name, count in sio.stats()["limits"].items() if count}


async def deaf_and_quick(sio, url, raw, connect):
    """The sid of a client that does not read, and a client that does."""
    sids: list[str] = []
    sio.on("connect", lambda sid, environ: sids.append(sid))
    deaf = await raw(url)
    # Nobody will answer its goodbye.
    deaf.socket.close_timeout = 0.1
    await deaf.join()
    quick = await connect(url)
    return deaf, sids[0], quick


@pytest.mark.every_way
async def test_a_client_that_does_not_read_is_disconnected_and_nobody_else(new_server, serve, raw, connect):
    sio = new_server(high_mark=200_000, hard_limit=1_000_000)
    ended = endings(sio)
    _, sid, quick = await deaf_and_quick(sio, await serve(sio), raw, connect)
    sent = 0
    while ended.empty():
        # To everybody: what goes to one client alone would wait for it.
        await sio.emit("piece", (sent, PIECE))
        assert await quick.next() == ("piece", sent, PIECE)
        sent += 1
    assert ended.get_nowait() == (sid, sio.reason.SLOW_CONSUMER)
    await sio.emit("end")
    assert await quick.next() == ("end",)
    assert ended.empty()


async def test_or_it_misses_what_is_too_much(new_server, serve, raw, connect):
    sio = new_server(high_mark=200_000, hard_limit=1_000_000, slow_consumer="drop")
    deaf, sid, quick = await deaf_and_quick(sio, await serve(sio), raw, connect)
    for sent in range(200):
        await sio.emit("piece", (sent, PIECE))
        assert await quick.next() == ("piece", sent, PIECE)
    got: list[int] = []

    async def read():
        while (packet := await deaf.read()) != '42["last"]':
            assert packet.startswith('42["piece",')
            got.append(int(packet[11:].split(",")[0]))

    reading = asyncio.ensure_future(read())
    # Dropped, too; but it waits until the client has caught up.
    await patiently(sio.emit("piece", (200, PIECE), to=sid))
    await sio.emit("last", to=sid)
    await patiently(reading)
    assert 5 < len(got) < 200
    assert got == list(range(len(got)))


async def test_a_client_that_takes_nothing_is_disconnected_in_time(new_server, serve, raw, connect):
    sio = new_server(write_timeout=0.1)
    ended = endings(sio)
    _, sid, quick = await deaf_and_quick(sio, await serve(sio), raw, connect)
    waiting = [sio.emit("piece", PIECE, to=sid) for _ in range(120)]
    assert await patiently(ended.get()) == (sid, "slow consumer")
    for emitted in waiting:
        await patiently(emitted)
    await sio.emit("end")
    assert await quick.next() == ("end",)


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"slow_consumer": "wait"}, r'slowConsumer: expected "disconnect" or "drop", got "wait"'),
        ({"high_mark": 2, "hard_limit": 1}, "hardLimit: must not be below highMark"),
        ({"write_timeout": 0}, "writeTimeout: expected a number of milliseconds"),
    ],
)
async def test_limits_that_make_no_sense_are_refused(new_server, option, error):
    sio = new_server(**option)
    with pytest.raises(ValueError, match=error):
        await sio.listen()


async def test_no_more_connections_than_there_may_be(new_server, under_uvicorn, socketio, connect, polling):
    sio = new_server(max_connections=1)
    url = await under_uvicorn(socketio.ASGIApp(sio))
    first = await connect(url)
    status, body, headers = await polling(url).request("GET", "EIO=4&transport=polling")
    assert (status, body, headers["Retry-After"]) == (503, '"Too many connections"', "5")
    assert struck(sio) == {"max_connections": 1}
    assert sio.stats()["refused"][4] == 1
    await first.disconnect()
    # The place is free once the server has heard of it.
    while sio.eio.sockets:
        await asyncio.sleep(0.002)
    await connect(url)


@pytest.mark.every_way
async def test_no_more_sessions_of_an_address_than_it_may_open(new_server, serve, polling):
    sio = new_server(sessions_per_address=(0.001, 2), trusted_proxies=1)
    client = polling(await serve(sio))

    async def status(address):
        return await client.request(
            "GET", "EIO=4&transport=polling", headers={"X-Forwarded-For": f"6.6.6.6, {address}"}
        )

    assert [(await status("1.1.1.1"))[0] for _ in range(3)] == [200, 200, 429]
    _, body, headers = await status("1.1.1.1")
    assert body == '"Too many sessions from this address"'
    assert int(headers["Retry-After"]) > 1
    assert (await status("1.1.1.2"))[0] == 200
    assert struck(sio) == {"sessions_per_address": 2}


@pytest.mark.every_way
async def test_no_more_events_of_a_client_than_it_may_send(new_server, serve, raw, connect):
    sio = new_server(events_per_client=(0.001, 4))
    ended = endings(sio)
    got: list[int] = []
    sio.on("event", lambda sid, n: got.append(n))
    url = await serve(sio)
    quiet = await connect(url)
    client = await raw(url)
    await client.join()
    await client.send(*(f'42["event",{n}]' for n in range(4)))
    assert (await patiently(ended.get()))[1] == sio.reason.RATE_LIMITED
    assert got == [0, 1, 2]
    assert struck(sio) == {"events_per_client": 1}
    await sio.emit("end")
    assert await quiet.next() == ("end",)


async def test_a_rate_that_is_none_is_refused(new_server):
    for value in (0, -1, "x", (0, 5)):
        with pytest.raises(ValueError, match="events_per_client is a number above 0"):
            new_server(events_per_client=value)


@pytest.mark.every_way
async def test_drain_sends_everybody_away_and_lets_nobody_in(new_server, serve, connect, polling):
    sio = new_server()
    assert sio.ready
    ended = endings(sio)
    asked = asyncio.Event()
    answer = asyncio.Event()

    @sio.on("ask")
    async def ask(sid):
        asked.set()
        await answer.wait()
        return "here"

    url = await serve(sio)
    client = await connect(url)
    asking = asyncio.ensure_future(client.call("ask"))
    await patiently(asked.wait())
    draining = asyncio.ensure_future(sio.drain(grace=600, spread=0, reason="upgrade"))
    while sio.ready:
        await asyncio.sleep(0)
    status, body, _ = await polling(url).request("GET", "EIO=4&transport=polling")
    assert (status, body) == (503, '"Server shutting down"')
    await sio.emit("news")
    assert await client.next() == ("news",)
    assert client.connected
    assert ended.empty()
    answer.set()
    assert await patiently(asking) == "here"
    assert (await patiently(ended.get()))[1] == sio.reason.SERVER_DISCONNECT
    # Of a broken connection, as python-socketio calls it: it would come back.
    assert await patiently(client.gone.get()) == "transport error"
    await patiently(draining)
    assert not sio._running


async def test_shutdown_ends_a_drain(new_server, serve, connect):
    sio = new_server()
    ended = endings(sio)
    await connect(await serve(sio))
    draining = asyncio.ensure_future(sio.drain(grace=600, spread=600))
    while sio.ready:
        await asyncio.sleep(0)
    await patiently(sio.shutdown())
    await patiently(draining)
    assert not ended.empty()


async def test_a_port_of_the_engine_s_tells_whether_it_is_ready(new_server, polling):
    sio = new_server(ready_path="/ready")
    host, port = await sio.listen()
    url = f"http://{host}:{port}"
    client = polling(url)

    async def ready():
        async with client.session.get(f"{url}/ready") as answer:
            return answer.status, await answer.text()

    assert await ready() == (200, "ready")
    sio.on("ask", lambda sid: None)
    await client.open()
    await client.post("40")
    draining = asyncio.ensure_future(sio.drain(grace=600, spread=600))
    while sio.ready:
        await asyncio.sleep(0)
    assert await ready() == (503, "not ready")
    await patiently(sio.shutdown())
    await patiently(draining)


async def test_a_server_counts_what_it_refuses_what_strikes_and_what_ends(new_server, serve, raw):
    sio = new_server(limits={"json_depth": 3, "event_name": 20})
    ended = endings(sio)
    sio.on("connect", lambda sid, environ: None)
    assert sio.stats()["connections"] == 0
    url = await serve(sio)
    client = await raw(url)
    await client.join()
    assert sio.stats()["connections"] == 1
    await client.send('42["deep",[[[[]]]]]')
    await ended.get()
    stats = sio.stats()
    assert stats["limits"]["json_depth"] == 1
    assert stats["limits"]["event_name"] == stats["limits"]["hard_limit"] == 0
    assert stats["closed"] == {"transport error": 1}
    assert stats["refused"].keys() == set(range(6))
    assert stats["opened"] == 1


@pytest.mark.every_way
async def test_frames_of_a_websocket_are_counted_against_their_options(new_server, serve, raw, way):
    if way == "asgi":
        pytest.skip("the web server frames the WebSocket")
    sio = new_server(limits={"fragments": 3, "control_frames": 2})
    got: list[str] = []
    sio.on("*", lambda event, sid: got.append(event))
    url = await serve(sio)
    cut, pinging = await raw(url), await raw(url)
    await cut.join()
    await pinging.join()
    # The last frame of an iterable is an empty one.
    await cut.socket.send(["42[", '"three"]'])
    await cut.socket.send(["42[", '"four"', "]"])
    assert await cut.ended() == 1008
    for _ in range(3):
        await pinging.socket.ping()
    assert await pinging.ended() == 1008
    assert got == ["three"]
    assert struck(sio) == {"fragments": 1, "control_frames": 1}


async def test_headers_are_counted_on_a_port_of_the_engine_s(new_server):
    sio = new_server(max_headers=5)
    host, port = await sio.listen()

    async def status(headers):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /socket.io/?EIO=9 HTTP/1.1\r\n" + b"x: y\r\n" * headers + b"\r\n")
        answer = await patiently(reader.readline())
        writer.close()
        return answer.split()[1]

    assert await status(5) == b"400"
    assert await status(6) == b"431"
    while not struck(sio):
        await asyncio.sleep(0.002)
    assert struck(sio) == {"max_header_bytes": 1}


async def test_no_more_dynamic_namespaces_than_there_may_be(new_server, serve, raw):
    sio = new_server(max_child_namespaces=2)
    sio.on("hello", lambda sid: None, namespace=re.compile(r"/child-\d+"))
    sio.on("hello", lambda sid: None, namespace=lambda name, environ, auth: name == "/other")
    sio.on("hello", lambda sid: None, namespace="/static")
    url = await serve(sio)

    async def join(namespace):
        return await (await raw(url)).join(namespace)

    assert (await join("/child-1")).startswith("40/child-1,")
    assert (await join("/other")).startswith("40/other,")
    assert await join("/child-2") == '44/child-2,{"message":"Too many namespaces"}'
    assert await join("/nobodys") == '44/nobodys,"Unable to connect"'
    assert (await join("/static")).startswith("40/static,")
    assert (await join("/child-1")).startswith("40/child-1,")
    assert sio.stats()["limits"]["max_child_namespaces"] == 1


async def test_a_limit_that_is_none_is_refused(new_server):
    with pytest.raises(ValueError, match="limits is a dictionary of attachments, control_frames"):
        new_server(limits={"depth": 1})
    sio = new_server(limits={"namespaces": -1})
    with pytest.raises(ValueError, match=r"limits\.namespaces: expected a whole number"):
        await sio.listen()
