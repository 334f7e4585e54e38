"""What clients may cost: options of ferrio's own."""

from __future__ import annotations

import asyncio

import pytest

from peers import patiently

pytestmark = pytest.mark.ferrio_only

PIECE = "x" * 100_000


def endings(sio):
    """How clients end."""
    ended: asyncio.Queue = asyncio.Queue()
    sio.on("disconnect", lambda sid, reason: ended.put_nowait((sid, reason)))
    return ended


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
