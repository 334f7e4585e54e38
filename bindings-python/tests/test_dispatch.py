"""Handlers share a worker's Task while they do not wait. They must not be able to tell, save by its name."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from peers import Client, patiently, until

pytestmark = pytest.mark.ferrio_only

variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable", default="default")

#: How a handler's Task comes about: a shared one, one each because the application asks for it, because the loop has a
#: factory, because it is in debug mode.
MODES = ["worker", "eager=False", "factory", "debug"]


def make_factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    return asyncio.Task(coroutine, loop=loop, **options)


class Place:
    """A server and one client of it. `call` calls a function of the test's as a handler."""

    def __init__(self, sio: Any, client: Client) -> None:
        self.sio = sio
        self.client = client
        self.count = 0

    def name(self, handler: Callable[..., Any]) -> str:
        self.count += 1
        self.sio.on(f"e{self.count}", handler)
        return f"e{self.count}"

    async def call(self, *handlers: Callable[..., Any]) -> list[Any]:
        """Calls handlers in one go, so that they are likely to share a batch; gives their answers."""
        names = [self.name(handler) for handler in handlers]
        return await asyncio.gather(*(patiently(self.client.call(name)) for name in names))


@pytest.fixture(params=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[request.param]


@pytest.fixture(params=MODES)
def play(request: pytest.FixtureRequest, new_loop: Any, new_server: Any) -> Any:
    """Runs a test with a server, in every mode and on every loop."""
    mode = request.param

    def run(test: Callable[[Place], Coroutine[Any, Any, None]]) -> None:
        loop = new_loop()
        loop.set_debug(mode == "debug")
        if mode == "factory":
            loop.set_task_factory(make_factory)

        async def main() -> None:
            sio = new_server(eager=mode != "eager=False")
            host, port = await sio.listen()
            client = Client()
            await client.connect(f"http://{host}:{port}", transports=["websocket"], wait_timeout=10)
            try:
                await test(Place(sio, client))
            finally:
                await client.disconnect()
                await sio.shutdown()
            # No worker is left behind.
            turns = 0
            while asyncio.all_tasks() != {asyncio.current_task()} and turns < 1000:
                turns += 1
                await asyncio.sleep(0.002)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        try:
            loop.run_until_complete(main())
        finally:
            loop.close()

    run.mode = mode
    return run


async def waiting(sid: str) -> str:
    await asyncio.sleep(0)
    return "waited"


async def quick(sid: str) -> str:
    return "quick"


def test_current_task(play):
    async def task(sid):
        before = asyncio.current_task()
        assert isinstance(before, asyncio.Task)
        assert not before.done()
        await asyncio.sleep(0)
        assert asyncio.current_task() is before
        return True

    def plain(sid):
        return isinstance(asyncio.current_task(), asyncio.Task)

    async def test(place):
        assert await place.call(task, plain, quick, task) == [True, True, "quick", True]

    play(test)


def test_many_at_once_in_every_mixture(play):
    async def test(place):
        handlers = [quick if n % 3 else waiting for n in range(60)]
        expected = ["quick" if n % 3 else "waited" for n in range(60)]
        assert await place.call(*handlers) == expected

    play(test)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout came with 3.11")
def test_timeout(play):
    async def in_time(sid):
        async with asyncio.timeout(20):
            await asyncio.sleep(0)
        return "in time"

    async def late(sid):
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"

    async def never_waits(sid):
        async with asyncio.timeout(20):  # noqa: ASYNC100 - the point of it
            return "never waits"

    async def already(sid):
        try:
            async with asyncio.timeout(-1):
                await asyncio.sleep(20)
        except TimeoutError:
            return "already"

    async def test(place):
        answers = await place.call(in_time, never_waits, late, quick, already, quick)
        assert answers == ["in time", "never waits", "late", "quick", "already", "quick"]

    play(test)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup came with 3.11")
def test_task_group(play):
    async def group(sid):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, n)) for n in range(3)]
        return [task.result() for task in tasks]

    async def failing(sid):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(20))
                raise ValueError("in the body")
        except BaseExceptionGroup as errors:  # noqa: F821 - 3.11
            return [str(error) for error in errors.exceptions]

    async def empty(sid):
        async with asyncio.TaskGroup():
            return "empty"

    async def test(place):
        answers = await place.call(group, failing, quick, empty, quick)
        assert answers == [[0, 1, 2], ["in the body"], "quick", "empty", "quick"]

    play(test)


def test_wait_for_gather_and_locks(play):
    lock = asyncio.Lock()

    async def waits(sid):
        async with lock:
            return await asyncio.wait_for(asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2)), 20)

    async def test(place):
        assert await place.call(waits, waits, quick) == [[1, 2], [1, 2], "quick"]

    play(test)


def test_context_variables(play):
    async def sets(sid):
        seen = variable.get()
        variable.set("mine")
        await asyncio.sleep(0)
        return seen, variable.get()

    async def sets_and_returns(sid):
        seen = variable.get()
        variable.set("mine")
        return seen

    def plain(sid):
        seen = variable.get()
        variable.set("mine")
        return seen

    async def child(sid):
        variable.set("child's")
        return await asyncio.create_task(asyncio.sleep(0, variable.get()))

    async def test(place):
        variable.set("not theirs")
        answers = await place.call(sets_and_returns, sets, plain, sets_and_returns, sets, child, plain)
        # What was set when the server was started; nothing that another handler did.
        d = "default"
        assert answers == [d, (d, "mine"), d, d, (d, "mine"), "child's", d]

    play(test)


def test_context_of_whoever_started_the_server(new_loop, new_server):
    async def main():
        variable.set("starter's")
        sio = new_server()
        host, port = await sio.listen()
        variable.set("later")
        sio.on("x", lambda sid: variable.get())
        client = Client()
        await client.connect(f"http://{host}:{port}", transports=["websocket"], wait_timeout=10)
        assert await client.call("x") == "starter's"
        await client.disconnect()
        await sio.shutdown()

    loop = new_loop()
    loop.run_until_complete(main())
    loop.close()


def test_cancelled_from_outside(play):
    tasks = {}
    reached = []

    async def waits(sid):
        tasks["one"] = asyncio.current_task()
        try:
            await asyncio.Event().wait()
        finally:
            reached.append("finally")

    async def test(place):
        answer = asyncio.create_task(place.call(waits, quick))
        await until(lambda: "one" in tasks)
        tasks["one"].cancel()
        # As in the original: a cancelled handler has returned nothing.
        assert await answer == [None, "quick"]
        assert reached == ["finally"]
        assert tasks["one"].done()
        assert await place.call(quick) == ["quick"]

    play(test)


def test_cancelling_oneself_does_not_reach_the_next(play):
    async def cancels(sid):
        asyncio.current_task().cancel()
        return "returned"

    async def cancels_and_waits(sid):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
        return "not reached"

    async def test(place):
        answers = await place.call(cancels, waiting, cancels_and_waits, waiting, quick)
        assert answers == ["returned", "waited", None, "waited", "quick"]

    play(test)


def test_a_task_that_was_kept_is_not_shared(play):
    kept = []

    async def keeps(sid):
        kept.append(asyncio.current_task())
        return "kept"

    async def cancels_the_kept(sid):
        for task in kept:
            task.cancel()
        await asyncio.sleep(0)
        return "not cancelled"

    async def test(place):
        answers = await place.call(keeps, cancels_the_kept, quick)
        assert answers == ["kept", "not cancelled", "quick"]
        assert kept[0].done()

    play(test)


def test_a_done_callback_is_called_when_the_handler_ends(play):
    done = []

    async def hangs_on(sid):
        asyncio.current_task().add_done_callback(lambda task: done.append(task))
        return "hung"

    async def test(place):
        assert await place.call(hangs_on, quick) == ["hung", "quick"]
        await until(lambda: done)

    play(test)


def test_exceptions_are_reported_one_by_one(play):
    async def raises(sid):
        raise ValueError("at once")

    async def raises_late(sid):
        await asyncio.sleep(0)
        raise ValueError("late")

    def plain(sid):
        raise ValueError("plain")

    async def test(place):
        reported = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        for handler in (raises, raises_late, plain):
            await place.client.emit(place.name(handler))
        assert await place.call(quick) == ["quick"]
        await until(lambda: len(reported) == 3)
        assert sorted(str(context["exception"]) for context in reported) == ["at once", "late", "plain"]
        assert all("traceback" not in context for context in reported)
        assert all(context["exception"].__traceback__ is not None for context in reported)

    play(test)


def test_what_is_no_coroutine_is_an_answer(play):
    class Awaitable:
        def __await__(self):
            raise AssertionError("was awaited")

    async def test(place):
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        await place.client.emit(place.name(lambda sid: Awaitable()))
        assert await place.call(lambda sid: quick(sid)) == ["quick"]

    play(test)


def test_more_than_a_drain_takes(play):
    count = 3000
    seen = []

    async def test(place):
        done = asyncio.Event()

        async def handler(sid, n):
            seen.append(n)
            if n == count - 1:
                done.set()

        name = place.name(handler)
        for n in range(count):
            await place.client.emit(name, n)
        await patiently(done.wait())
        assert seen == list(range(count))

    play(test)


@pytest.mark.parametrize("play", ["worker"], indirect=True)
def test_other_callbacks_of_the_loop_get_their_turn(play):
    async def test(place):
        turns = 0

        def turn():
            nonlocal turns
            turns += 1
            loop.call_soon(turn)

        loop = asyncio.get_running_loop()
        seen = []

        def slow(sid, n):
            seen.append(turns)
            until_ = loop.time() + 0.002
            while loop.time() < until_:
                pass

        name = place.name(slow)
        for n in range(100):
            await place.client.emit(name, n)
        loop.call_soon(turn)
        await until(lambda: len(seen) == 100)
        # 100 handlers of two milliseconds: the loop turned many times meanwhile.
        assert len(set(seen)) > 10

    play(test)


def test_emit_from_a_handler_and_from_a_task(play):
    async def test(place):
        async def later(sid):
            await asyncio.sleep(0.01)
            await place.sio.emit("later", to=sid)

        async def handler(sid):
            await place.sio.emit("first", to=sid)
            place.sio.start_background_task(later, sid)
            await place.sio.sleep(0)
            await place.sio.emit("second", to=sid)

        await place.client.emit(place.name(handler))
        assert await place.client.take(3) == [("first",), ("second",), ("later",)]

    play(test)


def test_the_worker_is_one_task(new_loop, new_server):
    """The point of it all: handlers that do not wait run in one Task."""

    async def main():
        sio = new_server()
        host, port = await sio.listen()
        client = Client()
        await client.connect(f"http://{host}:{port}", transports=["websocket"], wait_timeout=10)
        sio.on("name", lambda sid: asyncio.current_task().get_name())
        names = {await client.call("name") for _ in range(20)}
        assert len(names) == 1
        await client.disconnect()
        await sio.shutdown()

    loop = new_loop()
    loop.run_until_complete(main())
    loop.close()


def test_an_interrupt_in_a_handler_ends_the_loop(new_loop, new_server):
    sio, client = new_server(), Client()

    @sio.on("interrupt")
    async def interrupt(sid):
        raise KeyboardInterrupt

    async def begin():
        host, port = await sio.listen()
        await client.connect(f"http://{host}:{port}", transports=["websocket"], wait_timeout=10)
        await client.emit("interrupt")
        await asyncio.Event().wait()

    async def end():
        sio.on("x", lambda sid: "goes on")
        assert await client.call("x") == "goes on"
        await client.disconnect()
        await sio.shutdown()

    loop = new_loop()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(begin())
    loop.run_until_complete(end())
    loop.close()


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="since then asyncio starts a Task at once where it is asked to")
def test_what_comes_in_between_while_a_task_is_made_is_not_lost(new_loop, new_server):
    """A signal's handler, say: asyncio's own cancels the main Task. A Task's constructor runs Python code: it asks the loop for
    its mode."""
    loop = new_loop()
    asked = loop.get_debug
    log: list[str] = []

    async def main() -> None:
        sio = new_server()
        sio.on("hello", lambda sid: "you")
        address = await sio.listen()
        awaited = loop.create_future()
        tasks: list[asyncio.Task[None]] = []

        async def wait() -> None:
            await awaited
            log.append("woken")

        async def step() -> None:
            log.append("begun")

        def get_debug() -> bool:
            if "call_soon" in vars(loop) and not awaited.done():
                awaited.set_result(None)
                tasks.append(loop.create_task(step()))
                loop.call_soon(log.append, "called")
            return asked()

        tasks.append(loop.create_task(wait()))
        await asyncio.sleep(0)
        loop.get_debug = get_debug  # type: ignore[method-assign]
        client = Client()
        try:
            await client.connect(f"http://{address[0]}:{address[1]}", transports=["websocket"])
            assert await patiently(client.call("hello")) == "you"
            assert awaited.done()
            await patiently(asyncio.gather(*tasks))
            assert sorted(log) == ["begun", "called", "woken"]
        finally:
            del loop.get_debug
            await client.disconnect()
            await sio.shutdown()

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_a_loop_without_add_reader(new_server):
    class Loop(asyncio.SelectorEventLoop):
        def add_reader(self, fd, callback, *args):
            if getattr(callback, "__name__", "") == "_drain":
                raise NotImplementedError
            super().add_reader(fd, callback, *args)

    async def main():
        sio = new_server()
        host, port = await sio.listen()
        client = Client()
        await client.connect(f"http://{host}:{port}", transports=["websocket"], wait_timeout=10)
        sio.on("x", quick)
        for _ in range(10):
            assert await asyncio.gather(*(client.call("x") for _ in range(10))) == ["quick"] * 10
        await client.disconnect()
        await sio.shutdown()

    loop = Loop()
    loop.run_until_complete(main())
    loop.close()
