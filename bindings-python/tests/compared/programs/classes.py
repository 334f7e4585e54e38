"""Class-based namespaces."""


def serve(sio, stage):
    class Chat(stage.Namespace):
        async def on_connect(self, sid, environ):
            stage.put("connect", self.namespace)

        async def on_disconnect(self, sid, reason):
            stage.put("disconnect", reason)

        async def on_my_event(self, sid, data):
            await self.emit("my_response", data)
            await self.send("text", room=sid)

        async def on_join(self, sid, room):
            await self.enter_room(sid, room)
            async with self.session(sid) as session:
                session["room"] = room
            return len(self.rooms(sid)), await self.get_session(sid)

        async def on_ask(self, sid):
            return await self.call("question", to=sid)

        async def on_hidden(self, sid):
            return "the method"

        async def on_bye(self, sid):
            await self.disconnect(sid)

    class Every(stage.Namespace):
        async def on_connect(self, namespace, sid, environ):
            stage.put("every", namespace)

        async def on_where(self, namespace, sid):
            return namespace

    class Own(stage.Namespace):
        async def trigger_event(self, event, *args):
            if event not in ("connect", "disconnect"):
                return event, *args[1:]

    sio.register_namespace(Chat("/chat"))
    sio.register_namespace(Every("*"))
    sio.register_namespace(Own("/own"))

    @sio.on("hidden", namespace="/chat")
    async def hidden(sid):
        return "the function"

    sio.namespaces = "*"


async def play(stage, sio):
    client = await stage.client("a", namespaces=["/chat"])
    stage.say(await stage.get())
    client.on("question", lambda: "fine", namespace="/chat")
    client.on("*", client.receive, namespace="/chat")
    await client.emit("my_event", {"n": 1}, namespace="/chat")
    stage.say(await client.next(), await client.next())
    stage.say(await client.call("join", "r", namespace="/chat"))
    stage.say(await client.call("ask", namespace="/chat"))
    stage.say(await client.call("hidden", namespace="/chat"))
    stage.say(await client.call("unknown", namespace="/chat"))
    other = await stage.client("b", namespaces=["/any", "/own"])
    stage.say(await stage.get())
    stage.say(await other.call("where", namespace="/any"))
    stage.say(await other.call("anything", (1, 2), namespace="/own"))
    await client.emit("bye", namespace="/chat")
    stage.say(await stage.get())
    for wrong in (stage.Namespace, object(), None):
        await stage.attempt(sio.register_namespace, wrong)
    other_kind = stage.socketio.AsyncNamespace if stage.threads else stage.socketio.Namespace
    await stage.attempt(sio.register_namespace, other_kind("/x"))
