"""Options of the server, as the wire shows them."""

from __future__ import annotations

import json
import logging

import pytest

from peers import until

pytestmark = pytest.mark.every_way


async def test_handshake(new_server, serve, polling):
    sio = new_server(ping_interval=7, ping_timeout=3.5, max_http_buffer_size=1234)
    poller = polling(await serve(sio))
    headers = await poller.open()
    shown = {key: value for key, value in poller.handshake.items() if key != "sid"}
    assert shown == {"upgrades": ["websocket"], "pingTimeout": 3500, "pingInterval": 7000, "maxPayload": 1234}
    assert headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert "Set-Cookie" not in headers


async def test_polling(sio, serve, polling):
    sio.on("echo", lambda sid, *args: args)
    poller = polling(await serve(sio))
    await poller.open()
    await poller.post("40")
    assert (await poller.get())[0].startswith("40{")
    await poller.post('421["echo","ü€"]', '451-2["echo",{"_placeholder":true,"num":0}]', "bAQID")
    packets = []
    while len(packets) < 3:
        packets += await poller.get()
    assert json.loads(packets[0][3:]) == ["ü€"]
    assert packets[1:] == ['461-2[{"_placeholder":true,"num":0}]', "bAQID"]
    await poller.post("41", "1")
    await until(lambda: not list(sio.manager.get_participants("/", None)))


async def test_upgrade(sio, serve, raw, polling):
    sio.on("echo", lambda sid, *args: args)
    url = await serve(sio)
    poller = polling(url)
    await poller.open()
    await poller.post("40")
    await poller.get()
    socket = await raw(url, query=f"EIO=4&transport=websocket&sid={poller.sid}")
    await socket.send("2probe")
    assert await socket.read() == "3probe"
    await socket.send("5")
    await until(
        lambda: [sid for sid, _ in sio.manager.get_participants("/", None) if sio.transport(sid) == "websocket"]
    )
    await socket.send('421["echo",1]')
    packet = await socket.read()
    assert (packet if packet != "6" else await socket.read()) == "431[1]"


async def test_no_upgrades(new_server, serve, polling):
    poller = polling(await serve(new_server(allow_upgrades=False)))
    await poller.open()
    assert poller.handshake["upgrades"] == []


@pytest.mark.parametrize("transports", ["polling", ["polling"]])
async def test_transports(new_server, serve, polling, transports):
    poller = polling(await serve(new_server(transports=transports)))
    await poller.open()
    status, body, _ = await poller.request("GET", "EIO=4&transport=websocket")
    assert (status, body) == (400, '"Invalid transport"')


@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        ("io", "io={sid}; path=/; SameSite=Lax"),
        ({"name": "s", "path": "/x", "HttpOnly": True, "max-age": "5"}, "s={sid}; path=/x; HttpOnly; max-age=5"),
        ({"path": "/"}, "io={sid}; path=/"),
    ],
)
async def test_cookie(new_server, serve, polling, cookie, header):
    poller = polling(await serve(new_server(cookie=cookie)))
    headers = await poller.open()
    assert headers["Set-Cookie"] == header.format(sid=poller.sid)


@pytest.mark.parametrize(
    ("allowed", "origin", "status", "answer"),
    [
        (None, None, 200, None),
        (None, "{url}", 200, "{url}"),
        (None, "http://evil.example", 400, None),
        ("*", "http://any.example", 200, "http://any.example"),
        ("http://good.example", "http://good.example", 200, "http://good.example"),
        (["http://a.example", "http://b.example"], "http://b.example", 200, "http://b.example"),
        (["http://a.example"], "http://evil.example", 400, None),
        ([], "http://any.example", 200, None),
    ],
)
async def test_cors(new_server, serve, polling, allowed, origin, status, answer):
    url = await serve(new_server(cors_allowed_origins=allowed))
    headers = {"Origin": origin.format(url=url)} if origin else {}
    got, _, sent = await polling(url).request("GET", "EIO=4&transport=polling", headers=headers)
    assert got == status
    assert sent.get("Access-Control-Allow-Origin") == (answer and answer.format(url=url))
    assert sent.get("Access-Control-Allow-Credentials") == (None if allowed == [] else "true")


async def test_cors_without_credentials(new_server, serve, polling):
    sio = new_server(cors_allowed_origins="*", cors_credentials=False)
    poller = polling(await serve(sio))
    headers = await poller.open(headers={"Origin": "http://any.example"})
    assert headers["Access-Control-Allow-Origin"] == "http://any.example"
    assert "Access-Control-Allow-Credentials" not in headers


async def test_a_function_that_decides_on_origins(new_server, serve, polling, raw):
    import websockets

    asked = []

    def decide(origin, environ):
        asked.append((origin, environ.get("HTTP_ORIGIN")))
        return origin == "http://good.example"

    url = await serve(new_server(cors_allowed_origins=decide))
    good, evil = {"Origin": "http://good.example"}, {"Origin": "http://evil.example"}
    poller = polling(url)
    assert (await poller.open(headers=good))["Access-Control-Allow-Origin"] == "http://good.example"
    query = f"EIO=4&transport=polling&sid={poller.sid}"
    status, body, headers = await poller.request("POST", query, data="40", headers=good)
    assert (status, body, headers["Access-Control-Allow-Origin"]) == (200, "OK", "http://good.example")
    assert (await poller.request("GET", query, headers=evil))[0] == 400
    status, body, headers = await polling(url).request("GET", "EIO=4&transport=polling", headers=evil)
    assert (status, body) == (400, '"http://evil.example is not an accepted origin."')
    assert "Access-Control-Allow-Origin" not in headers
    await polling(url).open()
    with pytest.raises(websockets.InvalidStatus):
        await raw(url, origin="http://evil.example")
    await (await raw(url, origin="http://good.example")).join()
    assert {origin for origin, named in asked if origin and origin == named} == {good["Origin"], evil["Origin"]}


async def test_a_function_that_knows_origins_only(new_server, serve, polling):
    url = await serve(new_server(cors_allowed_origins=lambda origin: origin == "http://good.example"))
    for origin, expected in [("http://good.example", 200), ("http://evil.example", 400)]:
        status, _, _ = await polling(url).request("GET", "EIO=4&transport=polling", headers={"Origin": origin})
        assert status == expected


async def test_a_function_that_fails_lets_nobody_in(new_server, serve, polling):
    def decide(origin, environ):
        if origin is not None:
            raise ValueError("on purpose")

    url = await serve(new_server(cors_allowed_origins=decide))
    status, _, _ = await polling(url).request("GET", "EIO=4&transport=polling", headers={"Origin": "http://a.example"})
    assert status == 500
    # The server goes on.
    await polling(url).open()


async def test_a_cookie_whose_attribute_is_made_anew(new_server, serve, polling):
    made = []

    def expires():
        made.append(len(made))
        return f"in {len(made)} days"

    url = await serve(new_server(cookie={"name": "s", "path": "/x", "Expires": expires}))
    for n in (1, 2):
        poller = polling(url)
        headers = await poller.open()
        assert headers["Set-Cookie"] == f"s={poller.sid}; path=/x; Expires=in {n} days"
        query = f"EIO=4&transport=polling&sid={poller.sid}"
        assert "Set-Cookie" not in (await poller.request("POST", query, data="40"))[2]
    assert len(made) == 2


async def test_a_foreign_origin_gets_no_websocket(new_server, serve, raw):
    import websockets

    url = await serve(new_server(cors_allowed_origins=None))
    with pytest.raises(websockets.InvalidStatus):
        await raw(url, origin="http://evil.example")
    await (await raw(url, origin=url)).join()


@pytest.mark.parametrize(
    ("options", "encoding"),
    [({}, "gzip"), ({"compression_threshold": 1_000_000}, None), ({"http_compression": False}, None)],
)
async def test_compression(new_server, serve, polling, options, encoding):
    sio = new_server(**options)
    poller = polling(await serve(sio))
    await poller.open()
    await poller.post("40")
    await poller.get()
    await sio.emit("big", "x" * 5000)
    query = f"EIO=4&transport=polling&sid={poller.sid}"
    status, body, headers = await poller.request("GET", query, headers={"Accept-Encoding": "gzip"})
    assert (status, len(body)) == (200, 5000 + len('42["big",""]'))
    assert headers.get("Content-Encoding") == encoding


async def test_errors_on_the_wire(sio, serve, polling):
    poller = polling(await serve(sio))
    for method, query, status, body in [
        ("GET", "EIO=4&transport=foo", 400, '"Invalid transport"'),
        ("GET", "EIO=4&transport=polling&sid=x", 400, '"Invalid session x"'),
        ("POST", "EIO=4&transport=polling", 400, '"Invalid session None"'),
        ("OPTIONS", "EIO=4&transport=polling", 200, "OK"),
    ]:
        got, text, _ = await poller.request(method, query)
        assert (got, text) == (status, body), query
    got, text, _ = await poller.request("GET", "EIO=3&transport=polling")
    assert got == 400
    assert "unsupported version" in text


# ---- without a server


def test_values_that_are_refused(new_server):
    with pytest.raises(ValueError, match="Invalid async_mode specified"):
        new_server(async_mode="nonsense")
    with pytest.raises(ValueError, match="No valid transports provided"):
        new_server(transports=["smoke"])


def test_unknown_options_are_ignored(new_server):
    new_server(no_such_option=1)


@pytest.mark.ferrio_only
@pytest.mark.parametrize("options", [{"serializer": type("Own", (), {})}])
def test_what_is_not_there_yet_says_so(new_server, options):
    with pytest.raises(NotImplementedError, match="ferrio does not support"):
        new_server(**options)


def test_reasons(socketio):
    reasons = {name: value for name, value in vars(socketio.AsyncServer.reason).items() if name.isupper()}
    if socketio.__name__ == "ferrio":
        assert reasons.pop("SLOW_CONSUMER") == "slow consumer"
        assert reasons.pop("RATE_LIMITED") == "rate limited"
    assert reasons == {
        "SERVER_DISCONNECT": "server disconnect",
        "CLIENT_DISCONNECT": "client disconnect",
        "PING_TIMEOUT": "ping timeout",
        "TRANSPORT_CLOSE": "transport close",
        "TRANSPORT_ERROR": "transport error",
    }


async def test_logging(new_server, serve, connect, caplog):
    sio = new_server(logger=logging.getLogger("test.sio"))
    caplog.set_level(logging.INFO, logger="test.sio")
    sio = new_server(logger=logging.getLogger("test.sio"))
    sio.on("x", lambda sid: None)
    client = await connect(await serve(sio))
    await client.call("x")
    await sio.emit("y", to=client.sid_in())
    await client.next()
    lines = [record.getMessage() for record in caplog.records if record.name == "test.sio"]
    assert f'received event "x" from {client.sid_in()} [/]' in lines
    assert f'emitting event "y" to {client.sid_in()} [/]' in lines


@pytest.mark.parametrize("mode", ["aiohttp", "tornado", "asgi"])
def test_async_mode(new_server, mode):
    assert new_server(async_mode=mode).async_mode == mode


def test_without_a_mode_it_is_the_first_framework_that_is_there(socketio):
    assert socketio.AsyncServer().async_mode == "aiohttp"


REFUSED = [
    ("GET", "EIO=4&transport=tcp", {}, "Invalid transport"),
    (
        "GET",
        "EIO=3&transport=polling",
        {},
        "The client is using an unsupported version of the Socket.IO or Engine.IO protocols",
    ),
    ("GET", "EIO=4&transport=polling&sid=one", {}, "Invalid session one"),
    ("POST", "EIO=4&transport=polling&sid=two", {}, "Invalid session two"),
    ("GET", "EIO=4&transport=polling&j=x", {}, "Invalid JSONP index number"),
    ("GET", "EIO=4&transport=websocket", {}, "Invalid websocket upgrade"),
    ("GET", "EIO=4&transport=polling", {"Origin": "http://a"}, "http://a is not an accepted origin."),
    ("GET", "EIO=4&transport=polling", {"Origin": "http://b"}, "http://b is not an accepted origin."),
]


async def test_refused_requests_are_logged_as_errors_once(new_server, serve, polling, caplog):
    logger = logging.getLogger("test.eio")
    caplog.set_level(logging.INFO, logger="test.eio")
    sio = new_server(engineio_logger=logger, cors_allowed_origins="http://own")
    poller = polling(await serve(sio))
    for method, query, headers, _ in REFUSED * 2:
        status, _, _ = await poller.request(method, query, headers=headers)
        assert status == 400

    def lines():
        records = [record for record in caplog.records if record.name == "test.eio"]
        return [(r.levelno, r.getMessage()) for r in records if "nitialized" not in r.getMessage()]

    await until(lambda: len(lines()) >= 2 * len(REFUSED))
    later = " (further occurrences of this error will be logged with level INFO)"
    first = [(logging.ERROR, text + later) for *_, text in REFUSED]
    # The second of a kind, whatever the peer has written in it.
    for n in (3, 7):
        first[n] = (logging.INFO, REFUSED[n][3])
    assert lines() == first + [(logging.INFO, text) for *_, text in REFUSED]


@pytest.mark.ferrio_only
async def test_a_bad_request_is_no_line_of_its_own_in_the_log(new_server, serve, polling, caplog):
    sio = new_server(engineio_logger=logging.getLogger("test.eio"))
    poller = polling(await serve(sio))
    await poller.request("GET", "EIO=4&transport=polling&sid=x%0aERROR")
    await until(lambda: any("Invalid session" in record.getMessage() for record in caplog.records))
    assert all("\n" not in record.getMessage() for record in caplog.records)
