"""AsyncClient and Client behind one stage: the cases await both, the second in a thread."""

import asyncio

import socketio

EVENTS = ["auth", "message-back", "echo", "bcast", "to", "broadcast", "answer", "answers", "burst", "tick"]


class Stage:
    def __init__(self, face, server, transports):
        self.face, self.server, self.transports = face, server, transports
        self.python = face.dialect == "python"
        self._clients = []
        self._own = None

    async def client(self, namespace="/", auth=None, **options):
        client = self.wrapped(namespace, options)
        self._clients.append(client)
        await client.connect(self.server.url, self.transports, auth)
        return client

    async def own_server(self):
        self.server = self._own = await self.face.start()

    async def restart(self):
        # Not told to end: by a farewell over polling these clients are sent away for good.
        await self._own.crash()
        self.server = self._own = await self.face.start(self._own.port)

    async def clear(self):
        for client in self._clients:
            await client.disconnect()
        if self._own:
            await self._own.stop()


class Client:
    """What a case needs of either client: everything is awaited, events are kept until they are asked for."""

    def __init__(self, client, namespace):
        self.raw, self.namespace = client, namespace
        self._loop = asyncio.get_running_loop()
        self._kept = {name: asyncio.Queue() for name in [*EVENTS, "disconnect", "connect"]}
        for name in [*EVENTS, "disconnect", "connect"]:
            client.on(name, self._keeper(name), namespace=namespace)

    def _keeper(self, name):
        def keep(*args):
            self._loop.call_soon_threadsafe(self._kept[name].put_nowait, list(args))

        return keep

    def on(self, name, handler):
        self.raw.on(name, handler, namespace=self.namespace)

    async def received(self, name):
        return await asyncio.wait_for(self._kept[name].get(), 15)

    async def connect(self, url, transports, auth):
        await self._do(
            self.raw.connect, url, transports=transports, auth=auth, namespaces=[self.namespace], wait_timeout=10
        )

    async def emit(self, name, *args):
        await self._do(self.raw.emit, name, args, namespace=self.namespace)

    async def ask(self, name, *args):
        answer = await self._do(self.raw.call, name, args, namespace=self.namespace, timeout=10)
        return list(answer) if isinstance(answer, tuple) else [] if answer is None else [answer]

    async def disconnect(self):
        await self._do(self.raw.disconnect)

    @property
    def id(self):
        return self.raw.get_sid(self.namespace)

    @property
    def transport(self):
        return self.raw.transport()


class AsyncStage(Stage):
    name = "AsyncClient"

    def wrapped(self, namespace, options):
        return AwaitedClient(socketio.AsyncClient(**paced(options)), namespace)


class AwaitedClient(Client):
    async def _do(self, method, *args, **kwargs):
        return await method(*args, **kwargs)


class SyncStage(Stage):
    name = "Client"

    def wrapped(self, namespace, options):
        return ThreadedClient(socketio.Client(**paced(options)), namespace)


class ThreadedClient(Client):
    async def _do(self, method, *args, **kwargs):
        return await asyncio.to_thread(method, *args, **kwargs)


def paced(options):
    return {"reconnection_delay": 0.1, "reconnection_delay_max": 0.3, "handle_sigint": False, **options}
