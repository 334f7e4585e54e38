"""The exceptions of python-engineio."""


class EngineIOError(Exception):
    """The base of all."""


class ContentTooLongError(EngineIOError):
    """A request's body is over the limit."""


class UnknownPacketError(EngineIOError):
    """A packet is of no known type."""


class QueueEmpty(EngineIOError):
    """Nothing waits to be sent."""


class SocketIsClosedError(EngineIOError):
    """The session has ended."""


class ConnectionError(EngineIOError):
    """A connection failed."""
