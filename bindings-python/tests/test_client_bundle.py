"""`client_bundle`: npm's client files, served beside the endpoint wherever the server is."""

from __future__ import annotations

import aiohttp
import pytest
import pytest_asyncio

from conftest import ORIGINAL
from hosts import HOSTS, Served

pytestmark = pytest.mark.ferrio_only

SCRIPT = "window.io = () => 'ferrio';\n" * 100


@pytest.fixture
def bundle(tmp_path):
    """What `node_modules/socket.io-client/dist` holds, some of it, beside something that is nobody's business."""
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "socket.io.js").write_text(SCRIPT)
    (dist / "socket.io.min.js.map").write_text('{"version":3}')
    (dist / "socket.io.esm.min.js").write_text("export const io = 1;")
    (dist / "package.json").write_text('"private"')
    (tmp_path / "secret.js").write_text("classified")
    return dist


@pytest_asyncio.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def check(http, base):
    """What every way of serving does."""
    javascript = "application/javascript; charset=utf-8"
    for name, content_type, body in [
        ("socket.io.js", javascript, SCRIPT),
        ("socket.io.esm.min.js", javascript, "export const io = 1;"),
        ("socket.io.min.js.map", "application/json; charset=utf-8", '{"version":3}'),
    ]:
        async with http.get(f"{base}{name}?v=4") as response:
            assert (response.status, response.headers["Content-Type"]) == (200, content_type)
            assert await response.text() == body
            etag = response.headers["ETag"]
        async with http.get(base + name, headers={"If-None-Match": f'"old", {etag}'}) as response:
            assert (response.status, await response.read()) == (304, b"")
        async with http.get(base + name, headers={"If-None-Match": '"old"'}) as response:
            assert response.status == 200
    async with http.get(base + "socket.io.js", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert await response.text() == SCRIPT
    async with http.get(base + "socket.io.js", headers={"Origin": "http://other.example"}) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "http://other.example"
    for name in ("socket.io.min.js", "package.json", "..%2fsecret.js", "%2e%2e/secret.js", "socket.io.js%00"):
        async with http.get(base + name) as response:
            assert response.status in (400, 404), name
            assert "classified" not in await response.text()


@pytest.mark.every_way
async def test_files(new_server, serve, bundle, http, polling):
    url = await serve(new_server(client_bundle=bundle))
    await check(http, url + "/socket.io/")
    # On the connections that polls took a short way on, too.
    poller = polling(url)
    await poller.open()
    await poller.post("40")
    assert (await poller.get())[0].startswith("40")
    async with poller.session.get(url + "/socket.io/socket.io.js") as response:
        assert await response.text() == SCRIPT


@pytest.mark.parametrize("name", ["fastapi", "mounted", "aiohttp", "tornado", "sanic", "hosted", "native"])
async def test_under_other_servers(bundle, http, name):
    host = HOSTS[name]
    if ORIGINAL or host.missing is not None:
        pytest.skip(f"{host.missing} is not here")
    served = await Served.start(host, FERRIO_TEST_BUNDLE=str(bundle))
    try:
        await check(http, served.url + host.path)
    finally:
        await served.kill()


async def test_without_one_there_are_no_files(sio, serve, http):
    async with http.get(await serve(sio) + "/socket.io/socket.io.js") as response:
        assert response.status == 400


def test_a_directory_without_them_is_refused(new_server, tmp_path):
    for value in (tmp_path, str(tmp_path / "nowhere"), tmp_path / "socket.io.js"):
        with pytest.raises(FileNotFoundError, match=r"client_bundle=.*node_modules/socket\.io-client/dist"):
            new_server(client_bundle=value)
