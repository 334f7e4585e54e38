"""A server that ends in one of the ways a program may end, when a client asks it to: ``python endings.py WAY PORT``."""

import asyncio
import os
import sys

import ferrio

way, port = sys.argv[1], int(sys.argv[2])
sio = ferrio.AsyncServer(cors_allowed_origins="*")
asked = asyncio.Event()


@sio.event
async def echo(sid, *args):
    await sio.emit("echo", args, to=sid)


@sio.event
def end(sid):
    asked.set()
    if way == "exit-in-a-handler":
        sys.exit(0)
    if way == "os-exit":
        os._exit(0)


async def main():
    await sio.listen("127.0.0.1", port)
    await asked.wait()
    if way == "exception":
        raise ValueError("on purpose")
    if way == "exit":
        sys.exit(0)
    if way == "fork":
        child = os.fork()
        if child == 0:
            return
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert status == 0, status
    if way == "shutdown":
        await sio.shutdown()
    if way == "executor":
        # A thread that outlives the loop's end.
        asyncio.get_running_loop().run_in_executor(None, os.read, os.pipe()[0], 0)


if way == "loop-closed":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
elif way == "uvloop":
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
