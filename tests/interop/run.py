"""python-socketio's own clients, AsyncClient and Client, against one face:
python tests/interop/run.py --face socketio [--filter text] [--verbose]"""

import argparse
import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from cases import CASES
from clients import AsyncStage, SyncStage
from face import find_face

TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--face", default="python-socketio")
    parser.add_argument("--dialect")
    parser.add_argument("--filter", default="")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    face = find_face(options.face, options.dialect)

    # A client's farewell is not waited for: over polling, Python's original lets it hang until its poll has run out.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(100))
    clearing: list[asyncio.Task] = []
    passed, failed = 0, []
    server = await face.start()
    for make_stage in (AsyncStage, SyncStage):
        for way, transports in TRANSPORTS.items():
            for case in CASES:
                title = f"interop: {make_stage.name} by {way}: {case.__doc__}"
                if options.filter not in title:
                    continue
                started = time.monotonic()
                stage = make_stage(face, server, transports)
                try:
                    await asyncio.wait_for(case(stage), 20)
                    passed += 1
                    if options.verbose:
                        print(f"ok   {title} ({time.monotonic() - started:.2f} s)")
                except Exception as error:
                    failed.append(title)
                    print(f"FAIL {title}\n     {type(error).__name__}: {error}", flush=True)
                finally:
                    clearing.append(asyncio.create_task(stage.clear()))
    await asyncio.wait(clearing, timeout=15)
    await server.stop()
    if failed:
        print(f"\nFailed on {face.name}:", *failed, sep="\n  ")
    print(f"{face.name}: {passed} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    status = asyncio.run(main())
    sys.stdout.flush()
    os._exit(status)  # threads of a client that was cut off may still wait for it
