"""The demo's application under another server: python serve.py SERVER PORT"""

import os
import sys
from pathlib import Path

name, port = sys.argv[1], int(sys.argv[2])
PROGRAM = Path(__file__).resolve().parents[2] / "demo/python"
os.chdir(PROGRAM)
sys.path.insert(0, str(PROGRAM))

if name == "serve":
    import asyncio

    from server import app, socketio

    asyncio.run(socketio.serve(app, "127.0.0.1", port))
else:
    arguments = {
        "hypercorn": ["-b", f"127.0.0.1:{port}"],
        "granian": ["--interface", "asgi", "--port", str(port), "--no-log"],
        "gunicorn": ["-b", f"127.0.0.1:{port}", "-k", "uvicorn_worker.UvicornWorker", "--log-level", "warning"],
    }[name]
    os.execv(sys.executable, [sys.executable, "-m", name, *arguments, "server:app"])
