"""The life of the process around a server: its end, forks, signals, loops that come and go.

Each test runs a program of its own.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.ferrio_only

#: What every program begins with: a server `sio` and a client that has joined it.
BEGIN = """
import asyncio, os, signal, sys, threading, time
import ferrio
import websockets

sio = ferrio.AsyncServer(cors_allowed_origins="*")

@sio.event
async def echo(sid, data):
    await sio.emit("echo", data, to=sid)

async def join():
    host, port = await sio.listen()
    socket = await websockets.connect(f"ws://{host}:{port}/socket.io/?EIO=4&transport=websocket", ping_interval=None)
    await socket.recv()
    await socket.send("40")
    assert (await socket.recv()).startswith("40{")
    return socket

async def hears(socket):
    await socket.send('42["echo",1]')
    assert await socket.recv() == '42["echo",1]'
"""


def run(program: str, *, expect: int = 0, stderr: str | None = "", **environment: str) -> str:
    """Runs a program to its end and gives what it printed."""
    source = BEGIN + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", source],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
    )
    assert done.returncode == expect, done.stderr
    if stderr is not None:
        assert done.stderr == stderr
    return done.stdout


def test_exit_with_a_live_connection():
    for _ in range(5):
        assert (
            run("""
            async def main():
                socket = await join()
                await hears(socket)
                print("ok", flush=True)
                sys.exit(0)
            asyncio.run(main())
        """)
            == "ok\n"
        )


def test_exit_under_traffic():
    run("""
        async def main():
            socket = await join()
            for n in range(2000):
                await socket.send('42["echo",1]')
                if n % 100 == 0:
                    await asyncio.sleep(0)
        asyncio.run(main())
    """)


def test_os_exit_and_an_uncaught_exception():
    run("async def main():\n    await hears(await join())\n    os._exit(3)\nasyncio.run(main())", expect=3)
    run("async def main():\n    await hears(await join())\n    1 / 0\nasyncio.run(main())", expect=1, stderr=None)


def test_a_loop_closed_without_ceremony():
    assert (
        run("""
        loop = asyncio.new_event_loop()
        socket = loop.run_until_complete(join())
        loop.run_until_complete(hears(socket))
        loop.close()
        print("closed", flush=True)
    """)
        == "closed\n"
    )


def test_one_server_on_one_loop_after_the_other():
    assert (
        run("""
        async def main():
            socket = await join()
            await hears(socket)
            print("ok", flush=True)
        for _ in range(3):
            asyncio.run(main())
    """)
        == "ok\n" * 3
    )


def test_two_loops_at_once_are_refused():
    assert (
        run("""
        async def other():
            try:
                await sio.listen()
            except RuntimeError as error:
                print(error, flush=True)

        async def main():
            socket = await join()
            await asyncio.to_thread(asyncio.run, other())
            await hears(socket)
        asyncio.run(main())
    """)
        == "this server is running on another event loop\n"
    )


def test_two_servers_in_two_threads():
    assert (
        run("""
        def serve():
            async def main():
                global sio
                own = ferrio.AsyncServer(cors_allowed_origins="*")
                own.on("x", lambda sid: threading.current_thread().name)
                host, port = await own.listen()
                socket = await websockets.connect(f"ws://{host}:{port}/socket.io/?EIO=4&transport=websocket")
                await socket.recv()
                await socket.send("40")
                await socket.recv()
                for _ in range(50):
                    await socket.send('420["x"]')
                    assert await socket.recv() == f'430["{threading.current_thread().name}"]'
                await own.shutdown()
            asyncio.run(main())
        threads = [threading.Thread(target=serve) for _ in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print("ok")
    """)
        == "ok\n"
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signals_are_python_s(name):
    assert (
        run(f"""
        async def main():
            socket = await join()
            loop = asyncio.get_running_loop()
            stop = asyncio.Event()
            loop.add_signal_handler(signal.{name}, stop.set)
            os.kill(os.getpid(), signal.{name})
            await stop.wait()
            await hears(socket)
            await sio.shutdown()
            print("ok", flush=True)
        asyncio.run(main())
    """)
        == "ok\n"
    )


def test_ctrl_c_ends_serve():
    assert (
        run("""
        async def main():
            threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            try:
                await sio.serve(port=0)
            finally:
                print("ended", flush=True)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """)
        == "ended\ninterrupted\n"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_before_the_start():
    assert (
        run("""
        for n in range(2):
            if os.fork() == 0:
                async def main():
                    await hears(await join())
                    os.write(1, b"child\\n")
                asyncio.run(main())
                os._exit(0)
        os.wait(), os.wait()
        asyncio.run(join())
        print("parent")
    """)
        == "child\nchild\nparent\n"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork_after_the_start():
    printed = run(
        """
        async def main():
            socket = await join()
            await hears(socket)
            child = os.fork()
            if child == 0:
                for use in (lambda: asyncio.run(sio.listen()), lambda: sio.emit("x")):
                    try:
                        use()
                    except RuntimeError as error:
                        os.write(1, str(error).partition(":")[0].encode() + b"\\n")
                os._exit(0)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            await hears(socket)
        asyncio.run(main())
        """,
        stderr=None,
    )
    assert printed == "this server was started before os.fork()\n" * 2 + "0\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_of_a_running_server_ends_and_may_start_its_own():
    printed = run(
        """
        def in_child():
            async def main():
                global sio
                sio = ferrio.AsyncServer(cors_allowed_origins="*")
                sio.event(echo)
                await hears(await join())
                os.write(1, b"child's own\\n")
            asyncio.run(main())

        async def main():
            socket = await join()
            child = os.fork()
            if child == 0:
                in_child()
                # As at the end of an interpreter. An exit would take the parent's loop, whose epoll is shared, down with it.
                import atexit
                atexit._run_exitfuncs()
                os._exit(0)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            await hears(socket)
        asyncio.run(main())
        """,
        stderr=None,
    )
    assert printed == "child's own\n0\n"


def test_a_server_that_is_forgotten():
    assert (
        run("""
        import gc, weakref

        def descriptors():
            return len(os.listdir("/proc/self/fd"))

        async def main():
            own = ferrio.AsyncServer()
            own.on("x", lambda sid: own)
            await own.listen()
            await own.shutdown()
            return weakref.ref(own)

        asyncio.run(main())
        gc.collect()
        before = descriptors()
        for _ in range(5):
            forgotten = asyncio.run(main())
        gc.collect()
        print(forgotten() is None, descriptors() == before)
    """)
        == "True True\n"
    )


def test_a_running_server_on_a_loop_that_is_gone_is_collected():
    assert (
        run("""
        import gc, weakref

        def threads():
            return len(os.listdir("/proc/self/task"))

        def use():
            own = ferrio.AsyncServer()
            own.on("x", lambda sid: own)
            loop = asyncio.new_event_loop()
            loop.run_until_complete(own.listen())
            loop.close()
            return weakref.ref(own)

        before = threads()
        forgotten = use()
        gc.collect()
        print(forgotten() is None, threads() == before)
    """)
        == "True True\n"
    )


@pytest.mark.skipif(importlib.util.find_spec("_xxsubinterpreters") is None, reason="no module for subinterpreters")
def test_a_subinterpreter_is_refused_in_a_clear_sentence():
    printed = run("""
        import _xxsubinterpreters as interpreters
        interpreter = interpreters.create()
        source = '''
        try:
            import ferrio
        except ImportError as error:
            import os
            os.write(1, str(error).encode())
        '''
        import textwrap
        interpreters.run_string(interpreter, textwrap.dedent(source))
    """)
    assert "subinterpreter" in printed


def test_the_limited_api_alone_is_enough():
    """What newer CPythons may take away is looked up by name; without it everything works, more slowly."""
    assert (
        run(
            """
        import contextvars
        variable = contextvars.ContextVar("variable", default=0)

        @sio.event
        async def count(sid):
            seen = variable.get()
            variable.set(seen + 1)
            await asyncio.sleep(0)
            return seen, variable.get(), asyncio.current_task() is not None

        @sio.event
        def plain(sid):
            variable.set(variable.get() + 1)
            return variable.get()

        async def main():
            socket = await join()
            await hears(socket)
            for _ in range(3):
                await socket.send('421["count"]')
                assert await socket.recv() == "431[0,1,true]"
                await socket.send('422["plain"]')
                assert await socket.recv() == "432[1]"
            print("ok")
        asyncio.run(main())
        """,
            FERRIO_LIMITED_API="1",
        )
        == "ok\n"
    )


def test_emit_is_ready_in_every_way():
    from ferrio import _ferrio

    async def main() -> None:
        import collections.abc
        import inspect

        sio = __import__("ferrio").AsyncServer()
        ready = sio.emit("x")
        assert isinstance(ready, _ferrio.Ready)
        assert inspect.isawaitable(ready)
        assert asyncio.iscoroutine(ready)
        assert isinstance(ready, collections.abc.Coroutine)
        assert await ready is None
        assert await ready is None
        ready.close()
        with pytest.raises(StopIteration):
            ready.send(None)
        with pytest.raises(KeyError):
            ready.throw(KeyError("x"))
        with pytest.raises(KeyError):
            ready.throw(KeyError, KeyError("x"))
        with pytest.raises(KeyError):
            ready.throw(KeyError)

    asyncio.run(main())
