"""One message there and back, with nothing but the standard library: does the wheel that is installed work?"""

import asyncio
import json
import sys

import ferrio


async def main() -> None:
    sio = ferrio.AsyncServer()

    @sio.event
    async def echo(sid, *args):
        await asyncio.sleep(0)
        return args

    host, port = await sio.listen()
    query = "/socket.io/?EIO=4&transport=polling"

    async def ask(method: str, more: str = "", body: str = "") -> str:
        reader, writer = await asyncio.open_connection(host, port)
        head = f"{method} {query}{more} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode())
        answer = (await asyncio.wait_for(reader.read(), 20)).decode()
        writer.close()
        assert answer.startswith("HTTP/1.1 200 "), answer
        return answer.partition("\r\n\r\n")[2]

    session = "&sid=" + json.loads((await ask("GET"))[1:])["sid"]
    assert await ask("POST", session, "40") == "OK"
    assert (await ask("GET", session)).startswith("40{")
    assert await ask("POST", session, '421["echo",{"a":[1,"ü"]}]') == "OK"
    assert await ask("GET", session) == '431[{"a":[1,"ü"]}]'
    await sio.shutdown()
    print(f"ferrio {ferrio.__version__} works on Python {sys.version.split()[0]}")


asyncio.run(main())
