"""`ferrio.install()`, and the modules that are imported beside the servers."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

MODULES = [
    "exceptions",
    "packet",
    "namespace",
    "async_namespace",
    "base_manager",
    "manager",
    "async_manager",
    "pubsub_manager",
    "async_pubsub_manager",
    "redis_manager",
    "async_redis_manager",
    "kombu_manager",
    "kafka_manager",
    "zmq_manager",
    "async_aiopika_manager",
    "base_namespace",
    "base_server",
    "server",
    "async_server",
    "middleware",
    "asgi",
]


def run(program, *options):
    """What a program prints, with ferrio in the place of python-socketio."""
    done = subprocess.run([sys.executable, *options, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", MODULES)
def test_modules(socketio, name):
    importlib.import_module(f"{socketio.__name__}.{name}")


def test_msgpack_packets(socketio):
    pytest.importorskip("msgpack")
    module = importlib.import_module(f"{socketio.__name__}.msgpack_packet")
    packet = module.MsgPackPacket(2, ["x", b"\x01"], "/a", 3)
    back = module.MsgPackPacket(encoded_packet=packet.encode())
    assert (back.packet_type, back.data, back.namespace, back.id) == (2, ["x", b"\x01"], "/a", 3)
    own = module.MsgPackPacket.configure(dumps_default=str)
    assert own(2, [{1, 2}.__class__]).encode() != packet.encode()


@pytest.mark.ferrio_only
def test_install():
    program = """
import ferrio
ferrio.install()
ferrio.install()
import socketio, socketio.packet, engineio.payload, engineio.packet, engineio.json, engineio.exceptions
from socketio.exceptions import ConnectionRefusedError
from socketio import Server
assert socketio is ferrio and Server is ferrio.Server and socketio.packet.Packet is ferrio.packet.Packet
assert ConnectionRefusedError is ferrio.exceptions.ConnectionRefusedError
assert ferrio.__spec__.name == "ferrio" and ferrio.packet.__spec__.name == "ferrio.packet"
try:
    import socketio.no_such_module
except ModuleNotFoundError as error:
    print(error)
"""
    expected = "socketio.no_such_module: ferrio, which stands in for it, has no ferrio.no_such_module"
    assert run(program) == expected


@pytest.mark.ferrio_only
def test_install_too_late():
    program = """
import socketio, ferrio
try:
    ferrio.install()
except RuntimeError as error:
    print(error)
"""
    assert run(program).startswith("ferrio.install() comes too late: socketio has been imported from ")


@pytest.mark.ferrio_only
def test_a_program_run_with_it(tmp_path):
    (tmp_path / "helper.py").write_text("name = 'helper'\n")
    (tmp_path / "program.py").write_text(
        "import sys, socketio, helper\nprint(__name__, socketio.__name__, helper.name, sys.argv[1:])\n"
    )
    expected = "__main__ ferrio helper ['a', '-b']"
    for command in (["program.py"], ["-m", "program"]):
        done = subprocess.run(
            [sys.executable, "-m", "ferrio", *command, "a", "-b"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.stdout.strip(), done.stderr) == (expected, "")
    done = subprocess.run([sys.executable, "-m", "ferrio"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "usage:" in done.stderr


QUEUES = ["PubSubManager", "RedisManager", "KombuManager", "KafkaManager", "ZmqManager"]


@pytest.mark.ferrio_only
@pytest.mark.parametrize("name", [*QUEUES, "AsyncRedisManager", "AsyncAioPikaManager"])
def test_managers_with_a_queue_say_that_they_are_not_there(socketio, name):
    with pytest.raises(
        NotImplementedError, match=f"ferrio does not support client managers with a queue \\({name}\\) yet"
    ):
        getattr(socketio, name)("redis://", channel="x", write_only=True)


# ---- packets


def packet_of(socketio, *args, **kwargs):
    return importlib.import_module(f"{socketio.__name__}.packet").Packet(*args, **kwargs)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("0", (0, None, None, None)),
        ("0/a,", (0, "/a", None, None)),
        ("1/a", (1, "/a", None, None)),
        ('0/a?x=1,{"t":1}', (0, "/a", None, {"t": 1})),
        ('2["x",1]', (2, None, None, ["x", 1])),
        ('2/a,12["x"]', (2, "/a", 12, ["x"])),
        ('213["x"]', (2, None, 13, ["x"])),
        ("37[]", (3, None, 7, [])),
        ('4"no"', (4, None, None, "no")),
        ("4-1", (4, None, None, -1)),
    ],
)
def test_reading_packets(socketio, text, fields):
    packet = packet_of(socketio, encoded_packet=text)
    assert (packet.packet_type, packet.namespace, packet.id, packet.data) == fields
    assert packet.attachment_count == 0


@pytest.mark.parametrize("text", ["x", "-", '2["x"', "51", "2" + "1" * 101 + "[]", "512345678901-[]"])
def test_packets_that_are_none(socketio, text):
    if text == "51":
        assert packet_of(socketio, encoded_packet=text).id == 1
        return
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        packet_of(socketio, encoded_packet=text)


@pytest.mark.parametrize(
    ("args", "encoded"),
    [
        ((0,), "0"),
        ((0, {"sid": "x"}, "/a"), '0/a,{"sid":"x"}'),
        ((1, None, "/"), "1"),
        ((2, ["x", "ü", None], None, 3), '23["x","\\u00fc",null]'),
        (
            (2, ["x", b"\x01", {"b": bytearray(b"\x02")}], "/a", 4),
            ['52-/a,4["x",{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}}]', b"\x01", b"\x02"],
        ),
        ((3, [b"\x01"], None, 5), ['61-5[{"_placeholder":true,"num":0}]', b"\x01"]),
        ((4, {"message": "no"}), '4{"message":"no"}'),
    ],
)
def test_writing_packets(socketio, args, encoded):
    packet = packet_of(socketio, *args)
    assert packet.encode() == encoded
    if isinstance(encoded, str):
        assert packet_of(socketio, encoded_packet=encoded).encode() == encoded
        return
    back = packet_of(socketio, encoded_packet=encoded[0])
    assert [back.add_attachment(attachment) for attachment in encoded[1:]] == [False] * (len(encoded) - 2) + [True]
    assert back.encode() == encoded
    with pytest.raises(ValueError, match="Unexpected binary attachment"):
        back.add_attachment(b"")


def test_bytes_where_none_can_be(socketio):
    with pytest.raises(ValueError, match="Packet does not support binary payload"):
        packet_of(socketio, 0, b"\x01")


# ---- python-engineio


@pytest.fixture
def engineio(socketio):
    if socketio.__name__ == "socketio":
        return importlib.import_module("engineio")
    return importlib.import_module("ferrio.engineio")


def test_engineio_packets(engineio):
    packet = importlib.import_module(f"{engineio.__name__}.packet")
    for encoded, kind, data in [
        ("0", packet.OPEN, ""),
        ("4hello", packet.MESSAGE, "hello"),
        ('4{"a":1}', packet.MESSAGE, {"a": 1}),
        ("4123", packet.MESSAGE, "123"),
        ("bAQI=", packet.MESSAGE, b"\x01\x02"),
        (b"\x01", packet.MESSAGE, b"\x01"),
    ]:
        read = packet.Packet(encoded_packet=encoded)
        assert (read.packet_type, read.data) == (kind, data)
    assert packet.Packet(packet.MESSAGE, {"a": [1]}).encode() == '4{"a":[1]}'
    assert packet.Packet(packet.MESSAGE, b"\x01\x02").encode(b64=True) == "bAQI="
    assert packet.Packet(packet.PING, "probe").encode() == "2probe"
    with pytest.raises(ValueError, match="Binary packets can only be of type MESSAGE"):
        packet.Packet(packet.OPEN, b"")


def test_engineio_payloads(engineio):
    payload = importlib.import_module(f"{engineio.__name__}.payload")
    packet = importlib.import_module(f"{engineio.__name__}.packet")
    read = payload.Payload(encoded_payload="4a\x1ebAQI=")
    assert [each.data for each in read.packets] == ["a", b"\x01\x02"]
    assert read.encode() == "4a\x1ebAQI="
    assert payload.Payload([packet.Packet(packet.MESSAGE, 'a"b')]).encode(jsonp_index=3) == '___eio[3]("4a\\"b");'
    most = payload.Payload.max_decode_packets
    with pytest.raises(ValueError, match="Too many packets in payload"):
        payload.Payload(encoded_payload="\x1e".join(["4"] * (most + 1)))


def test_engineio_json(engineio):
    json = importlib.import_module(f"{engineio.__name__}.json")
    assert json.loads(json.dumps({"a": 1})) == {"a": 1}
    with pytest.raises(ValueError, match="Integer is too large"):
        json.loads("1" * 101)


async def test_how_many_packets_a_post_may_have(new_server, engineio, serve, polling, monkeypatch):
    """Set for the whole process, as users of python-engineio do."""
    payload = importlib.import_module(f"{engineio.__name__}.payload")
    monkeypatch.setattr(payload.Payload, "max_decode_packets", 20)
    sio = new_server(async_handlers=False)
    seen = []
    sio.on("x", lambda sid, n: seen.append(n))
    client = polling(serve(sio))
    await client.open()
    await client.post("40")
    await client.get()
    await client.post(*(f'42["x",{n}]' for n in range(20)))
    from peers import until

    await until(lambda: len(seen) == 20)
    assert seen == list(range(20))
    body = "\x1e".join(f'42["x",{n}]' for n in range(21))
    await client.request("POST", f"EIO=4&transport=polling&sid={client.sid}", data=body)
    assert 20 not in seen
