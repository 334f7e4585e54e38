"""Taking WebSockets over from uvicorn: every protocol class that it has, on both loops, and what cannot be taken over."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from peers import patiently, until

pytestmark = pytest.mark.ferrio_only

PROGRAM = textwrap.dedent("""
    import asyncio, sys, logging
    import ferrio as socketio, uvicorn

    http, ws, loop = sys.argv[1:4]
    sio = socketio.AsyncServer(cors_allowed_origins="*")
    taken = []
    from ferrio import _takeover
    original = _takeover.take_over
    def count(*args):
        done = original(*args)
        taken.append(done)
        return done
    _takeover.take_over = count

    @sio.on("echo")
    async def echo(sid, *args):
        await sio.emit("echo", args, to=sid)
        return taken

    @sio.on("disconnect")
    async def disconnect(sid, reason):
        await asyncio.sleep(0)
        print("disconnected", reason, flush=True)

    config = uvicorn.Config(socketio.ASGIApp(sio), port=0, http=http, ws=ws, loop=loop, log_level="warning")
    server = uvicorn.Server(config)

    async def announce():
        while not server.started:
            await asyncio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)

    async def main():
        asyncio.get_running_loop().create_task(announce())
        await server.serve()

    asyncio.run(main(), **({"loop_factory": __import__("uvloop").new_event_loop} if loop == "uvloop" else {})) \\
        if sys.version_info >= (3, 12) or loop != "uvloop" else __import__("uvloop").run(main())
""")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto", "websockets"])
async def test_every_protocol_class_of_uvicorn(connect, http, ws, loop):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "ignore", "-c", PROGRAM, http, ws, loop),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        port = int(await patiently(process.stdout.readline()))
        url = f"http://127.0.0.1:{port}"
        one = await connect(url)
        both = await connect(url, transports=["polling", "websocket"])
        for client in (one, both):
            assert all(await client.call("echo", (1, b"two", "x" * 200_000)))
            assert await client.next() == ("echo", 1, b"two", "x" * 200_000)
        await both.disconnect()
        assert (await patiently(process.stdout.readline())).startswith(b"disconnected")
        # The end of the server is the end of the connection, with the disconnect handler called.
        process.send_signal(signal.SIGTERM)
        assert await patiently(process.stdout.readline()) == b"disconnected server disconnect\n"
        await patiently(one.gone.get())
        assert await patiently(process.wait()) in (0, -signal.SIGTERM)
        assert await process.stderr.read() == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_uvicorn_forgets_a_connection_that_was_taken_over(sio, socketio, connect):
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(socketio.ASGIApp(sio), port=0, log_level="critical", lifespan="off"))
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    client = await connect(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    sid = client.sid_in()
    await until(lambda: not server.server_state.tasks)
    [herald] = server.server_state.connections
    assert type(herald).__module__ == "ferrio._takeover"
    assert sio.transport(sid) == "websocket"
    # Without a lifespan ferrio hears of the end from there.
    server.should_exit = True
    await patiently(task)
    await patiently(client.gone.get())
    assert not sio._running
    assert not server.server_state.connections


async def test_uvicorn_need_not_wait_for_polls(sio, socketio, polling):
    import uvicorn

    reasons = asyncio.Queue()
    sio.on("disconnect", lambda sid, reason: reasons.put_nowait(reason))
    server = uvicorn.Server(uvicorn.Config(socketio.ASGIApp(sio), port=0, log_level="critical", lifespan="off"))
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    poller = polling(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    await poller.open()
    await poller.post("40")
    await poller.get()
    poll = asyncio.create_task(poller.get())
    # Its number is known to `_polls.Polls`, which stands before uvicorn's protocol.
    connections = server.server_state.connections
    await until(lambda: any(getattr(connection.shutdown.__self__, "number", 0) for connection in connections))
    server.should_exit = True
    await patiently(task)
    await asyncio.gather(poll, return_exceptions=True)
    assert reasons.get_nowait() == "server disconnect"


async def test_environ_after_a_take_over(sio, socketio, under_uvicorn, connect):
    client = await connect(await under_uvicorn(socketio.ASGIApp(sio)), headers={"X-Test": "1"})
    environ = sio.get_environ(client.sid_in())
    assert environ["asgi.scope"]["type"] == "websocket"
    assert environ["HTTP_X_TEST"] == "1"
    with pytest.raises(RuntimeError, match="taken over"):
        await environ["asgi.receive"]()


async def test_a_wrapped_send_is_left_alone(sio, socketio, under_uvicorn, connect):
    sent = []
    app = socketio.ASGIApp(sio)

    async def middleware(scope, receive, send):
        async def wrapped(message):
            sent.append(message["type"])
            await send(message)

        await app(scope, receive, wrapped)

    sio.on("x", lambda sid: b"y")
    client = await connect(await under_uvicorn(middleware))
    assert await client.call("x") == b"y"
    assert "websocket.accept" in sent
    assert "websocket.send" in sent


async def test_tls_is_left_alone(sio, socketio, under_uvicorn, connect, certificate):
    sio.on("x", lambda sid: "y")
    certfile, keyfile = certificate
    url = await under_uvicorn(socketio.ASGIApp(sio), ssl_certfile=certfile, ssl_keyfile=keyfile)
    client = await connect(url, transports=["polling", "websocket"])
    assert await client.call("x") == "y"
    await until(lambda: sio.transport(client.sid_in()) == "websocket")


async def test_the_environment_switches_it_off(socketio, monkeypatch):
    assert socketio.AsyncServer()._take_over
    monkeypatch.setenv("FERRIO_NO_TAKEOVER", "1")
    assert not socketio.AsyncServer()._take_over


@pytest.mark.parametrize("taken", [False, True])
async def test_a_websocket_for_an_unknown_session(sio, socketio, under_uvicorn, raw, taken):
    import websockets

    sio._take_over = taken
    url = await under_uvicorn(socketio.ASGIApp(sio))
    with pytest.raises(websockets.InvalidStatus) as refused:
        await raw(url, query="EIO=4&transport=websocket&sid=unknown")
    assert refused.value.response.status_code == (400 if taken else 403)


async def test_frames_of_a_slow_uvicorn_stay_in_order(sio, socketio, under_uvicorn, raw):
    """Framed by uvicorn, whose `send` waits while its transport is full."""
    sio._take_over = False
    sids = asyncio.Queue()
    sio.on("connect", lambda sid, environ: sids.put_nowait(sid))
    socket = await raw(await under_uvicorn(socketio.ASGIApp(sio)), max_size=None, max_queue=1)
    await socket.join()
    sid = await sids.get()
    emits = [sio.emit("n", (n, "x" * 50_000), to=sid) for n in range(100)]
    for n in range(100):
        packet = await socket.read()
        assert json.loads(packet[2:])[1] == n
    await asyncio.gather(*emits)
