"""The questions that the client manager answers."""


def serve(sio, stage):
    sio.namespaces = ["/", "/other"]


async def play(stage, sio):
    manager = sio.manager
    stage.say(sorted(manager.get_namespaces()), list(manager.get_participants("/", None)))
    client = await stage.client("a", namespaces=["/", "/other"])
    a, other = client.get_sid("/"), client.get_sid("/other")
    await stage.do(sio.enter_room, a, "r")
    stage.say(sorted(manager.get_namespaces()))
    (sid, eio_sid), *more = manager.get_participants("/", None)
    stage.say(sid, more, eio_sid == client.eio.sid)
    stage.say([sid for sid, _ in manager.get_participants("/", "r")], list(manager.get_participants("/", "x")))
    stage.say([sid for sid, _ in manager.get_participants("/other", [other])])
    stage.say(
        set(manager.get_rooms(a, "/")) == {a, "r"}, manager.get_rooms(other, "/other"), manager.get_rooms("x", "/")
    )
    stage.say(manager.is_connected(a, "/"), manager.is_connected(a, "/other"), manager.is_connected("x", "/"))
    stage.say(manager.eio_sid_from_sid(a, "/") == eio_sid, manager.eio_sid_from_sid("x", "/"))
    stage.say(manager.sid_from_eio_sid(eio_sid, "/") == a, manager.sid_from_eio_sid(eio_sid, "/other") == other)
    stage.say(await stage.do(manager.can_disconnect, a, "/"), await stage.do(manager.can_disconnect, "x", "/"))
    stage.say(manager.is_sid_room("/", a), manager.is_sid_room("/", "r"))
