"""What `async_mode` stands for: threads, or the greenlets of gevent or eventlet."""

from __future__ import annotations

import importlib
import importlib.util
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from . import _ferrio, _options


class Event(Protocol):
    """As `threading.Event`."""

    def is_set(self) -> bool: ...
    def set(self) -> None: ...
    def wait(self, timeout: float | None = None) -> object: ...


class Mode:
    """Threads. How to start one, to sleep in it and to wait in it for another."""

    name = "threading"
    #: Who runs handlers, for the engine.
    kind = "threads"
    #: Keywords of `simple_websocket.Server`.
    websocket: dict[str, Any]

    def __init__(self) -> None:
        self.websocket = {}

    def event(self) -> Event:
        return threading.Event()

    def queue(self, maxsize: int = 0) -> Any:
        """As `queue.Queue`."""
        return queue.Queue(maxsize)

    def promise(self) -> Promise:
        return ThreadPromise()

    def start(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Starts a thread and returns it. It does not keep the interpreter from its end."""
        thread = threading.Thread(target=target, args=args, kwargs=kwargs, daemon=True)
        thread.start()
        return thread

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait_readable(self, descriptor: int) -> None:
        """Waits, as a greenlet, until a descriptor can be read."""
        raise NotImplementedError


class Gevent(Mode):
    name = "gevent"
    kind = "greenlets"

    def __init__(self) -> None:
        self.gevent = importlib.import_module("gevent")
        self.events = importlib.import_module("gevent.event")
        self.hub = importlib.import_module("gevent.socket")
        selectors = importlib.import_module("gevent.selectors")
        self.websocket = {
            "thread_class": self.thread,
            "event_class": self.events.Event,
            "selector_class": selectors.DefaultSelector,
        }

    def promise(self) -> Promise:
        return GreenPromise(self.event())

    def queue(self, maxsize: int = 0) -> Any:
        return importlib.import_module("gevent.queue").JoinableQueue(maxsize or None)

    def thread(self, target: Callable[[], Any]) -> Any:
        """As `threading.Thread(target=…)`."""
        greenlet = self.gevent.Greenlet(target)
        greenlet.name = "ferrio (_thread)"
        return greenlet

    def event(self) -> Event:
        event: Event = self.events.Event()
        return event

    def start(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.gevent.spawn(target, *args, **kwargs)

    def sleep(self, seconds: float) -> None:
        self.gevent.sleep(seconds)

    def wait_readable(self, descriptor: int) -> None:
        self.hub.wait_read(descriptor)


class Eventlet(Mode):
    name = "eventlet"
    kind = "greenlets"

    def __init__(self) -> None:
        self.eventlet = importlib.import_module("eventlet")
        self.hubs = importlib.import_module("eventlet.hubs")
        self.threading = importlib.import_module("eventlet.green.threading")
        self.websocket = {
            "thread_class": self.threading.Thread,
            "event_class": self.event,
            "selector_class": importlib.import_module("eventlet.green.selectors").DefaultSelector,
        }

    def event(self) -> Event:
        event: Event = self.threading.Event()
        return event

    def promise(self) -> Promise:
        return GreenPromise(self.event())

    def queue(self, maxsize: int = 0) -> Any:
        return importlib.import_module("eventlet.green.Queue").Queue(maxsize)

    def start(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return GreenThread(self.eventlet.spawn(target, *args, **kwargs))

    def sleep(self, seconds: float) -> None:
        self.eventlet.sleep(seconds)

    def wait_readable(self, descriptor: int) -> None:
        self.hubs.trampoline(descriptor, read=True)


class GreenThread:
    """A thread of eventlet's with the `join` that the others have."""

    def __init__(self, thread: Any) -> None:
        self.thread = thread

    def join(self) -> Any:
        return self.thread.wait()


#: In the order in which one is looked for, as in the original.
MODES: dict[str, type[Mode]] = {"eventlet": Eventlet, "gevent": Gevent, "threading": Mode}


def choose(name: str | None) -> Mode:
    """The mode of that name, or the first that can be had. `ValueError` if there is none."""
    if name == "gevent_uwsgi" and importlib.util.find_spec("uwsgi") is not None:
        raise _options.unsupported("async_mode='gevent_uwsgi'")
    for candidate in MODES.values() if name is None else filter(None, [MODES.get(name)]):
        try:
            return patched() if candidate is Mode else candidate()
        except ImportError:
            continue
    raise ValueError("Invalid async_mode specified")


def patched() -> Mode:
    """The mode ``"threading"``, whose threads are greenlets after monkey-patching: none of them may block the others."""
    mode = Mode()
    if (gevent := sys.modules.get("gevent.monkey")) is not None and gevent.is_module_patched("threading"):
        mode = Gevent()
    elif (eventlet := sys.modules.get("eventlet.patcher")) is not None and eventlet.is_monkey_patched("thread"):
        mode = Eventlet()
    mode.name = "threading"
    return mode


class Cancelled(Exception):
    """Nobody will keep the promise: the server was stopped."""


class Promise(Protocol):
    """What a thread or greenlet waits with: a future of one result."""

    def done(self) -> bool: ...
    def set_result(self, result: Any) -> None: ...
    def set_exception(self, error: BaseException) -> None: ...

    def cancel(self) -> None:
        """Nobody will keep it: `result` raises `Cancelled`."""

    def result(self, timeout: float | None = None) -> Any:
        """Waits. Raises what `set_exception` was given; after `timeout` seconds it returns nothing, whatever comes."""


class ThreadPromise(_ferrio.Promise):
    """For a thread. All but the waiting is native."""

    def result(self, timeout: float | None = None) -> Any:
        lock = self._lock
        if lock.acquire(timeout=-1 if timeout is None else timeout):
            lock.release()
        outcome, is_error = self._outcome or (None, False)
        if is_error:
            assert isinstance(outcome, BaseException)
            raise outcome
        return outcome


class GreenPromise:
    """For a greenlet."""

    __slots__ = ("_error", "_event", "_result")

    def __init__(self, event: Event) -> None:
        self._event = event
        self._result: Any = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        return self._event.is_set()

    def set_result(self, result: Any) -> None:
        self._result = result
        self._event.set()

    def set_exception(self, error: BaseException) -> None:
        self._error = error
        self._event.set()

    def cancel(self) -> None:
        if not self.done():
            self.set_exception(Cancelled())

    def result(self, timeout: float | None = None) -> Any:
        self._event.wait(timeout)
        if self._error is not None:
            raise self._error
        return self._result
