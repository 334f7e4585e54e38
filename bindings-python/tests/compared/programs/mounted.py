"""The application beside others: another path, static files, another application."""

import tempfile
from pathlib import Path

import aiohttp


async def play(stage):
    folder = Path(tempfile.mkdtemp())
    (folder / "sub").mkdir()
    for name, text in (("index.html", "<p>index"), ("app.js", "let x"), ("data.bin", "bin"), ("sub/deep.css", "a{}")):
        (folder / name).write_text(text)
    (folder.parent / "secret.txt").write_text("secret")

    async def asgi(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                event = await receive()
                await send({"type": event["type"] + ".complete"})
                if event["type"] == "lifespan.shutdown":
                    return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the other: " + scope["path"].encode()})

    def wsgi(environ, start_response):
        start_response("200 OK", [])
        return [b"the other: " + environ["PATH_INFO"].encode()]

    files = {
        "/": f"{folder}/index.html",
        "/static": f"{folder}/",
        "/one": {"filename": f"{folder}/data.bin", "content_type": "text/special"},
        "": "index.html",
    }
    for options in (
        {"static_files": files},
        {"static_files": files, "socketio_path": "/deep/path/"},
        {("wsgi_app" if stage.threads else "other_asgi_app"): wsgi if stage.threads else asgi},
    ):
        await stage.serve(stage.new_server(), **options)
        async with aiohttp.ClientSession() as session:
            for path in (
                "/",
                "/static/",
                "/static/app.js",
                "/static/data.bin",
                "/static/sub/deep.css",
                "/static/missing.js",
                "/static/../secret.txt",
                "/static/%2e%2e/secret.txt",
                "/one",
                "/nowhere",
                "/socket.io/?EIO=4&transport=polling",
                "/deep/path/?EIO=4&transport=polling",
            ):
                async with session.get(stage.url + path) as answer:
                    body = await answer.text()
                    kind = answer.headers.get("content-type") if answer.status == 200 else ""
                    stage.say(path, answer.status, body.split("{")[0], kind)
