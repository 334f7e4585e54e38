// What goes through every unsafe block of the addon once or more, for a checker of memory: events of each type both ways, answers,
// batches of events and commands, polls and upgrades that the engine takes over from Node's http server, the end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(
	new URL("../../bindings-node/package.json", import.meta.url),
);
const { Server } = require("ferrio");
const { io: connect } = require("ferrio/client");

const VALUES = [
	null,
	true,
	-1,
	2 ** 53,
	0.5,
	"text",
	"ä€😀\ud800",
	Buffer.alloc(0),
	Buffer.from("bytes"),
	[],
	[1, [2, Buffer.from("x")]],
	{},
	{ key: { deep: Buffer.from("y") } },
];

for (const nativeListener of [false, true]) {
	const io = new Server(0, { nativeListener });
	if (!nativeListener) await once(io.httpServer, "listening");
	const { port } = (nativeListener ? io.engine : io.httpServer).address();
	io.on("connection", (socket) => {
		socket.join("room");
		socket.on("echo", (...values) => values.pop()(...values));
	});
	for (const transports of [
		["polling"],
		["websocket"],
		["polling", "websocket"],
	]) {
		const socket = connect(`http://127.0.0.1:${port}`, {
			transports,
			forceNew: true,
			reconnection: false,
			auth: { a: 1 },
		});
		await once(socket, "connect");
		const seen = JSON.parse(
			JSON.stringify(VALUES).replace("\\ud800", "\ufffd"),
		);
		const echoed = await new Promise((resolve) =>
			socket.emit("echo", ...VALUES, (...values) => resolve(values)),
		);
		assert.deepEqual(
			JSON.parse(JSON.stringify(echoed).replace("\\ud800", "\ufffd")),
			seen,
		);
		const heard = new Promise((resolve) => {
			let count = 0;
			socket.on("news", (number) => {
				assert.equal(number, count++);
				if (count === 50) resolve();
			});
		});
		for (let number = 0; number < 50; number++)
			io.to("room").emit("news", number, ...VALUES);
		await heard;
		socket.disconnect();
	}
	await io.close();
}
console.log("done");
