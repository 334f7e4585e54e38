// What programs may show otherwise. Each entry: the program, the lines of socket.io and those of ferrio in its transcript
// (with as many lines around them as tell them apart), and the words of DIFFERENCES.md under which the reason stands.
export const DIFFERENCES = [
  {
    program: "rooms.mjs",
    row: "`socket.leave(socket.id)`",
    socketio: "[ 'two' ]\nio.to(c): []\nc.broadcast: [ 'a', 'b', 'c', 'd' ]\n",
    ferrio: "[ 'c', 'two' ]\nio.to(c): [ 'c' ]\nc.broadcast: [ 'a', 'b', 'd' ]\n",
  },
  {
    program: "connect-timeout.mjs",
    row: "a client that left its last namespace",
    socketio: "who has left is there\n",
    ferrio: "who has left is gone\n",
  },
  {
    program: "connect-timeout.mjs",
    row: "a client that left its last namespace",
    socketio: "close websocket forced close\nclose websocket transport close\nclose websocket transport close\n",
    ferrio: "close websocket forced close\nclose websocket forced close\nclose websocket transport close\n",
  },
  {
    program: "middlewares-namespace.mjs",
    row: "the order of `socket.rooms`",
    socketio: "connect: true [ 'early', 'own' ]\n",
    ferrio: "connect: true [ 'own', 'early' ]\n",
  },
  {
    program: "subclass.mjs",
    row: "overridden methods that the library calls itself",
    socketio: "patched use /\nof /\nof /\npatched join own id\n",
    ferrio: "patched use /\nof /\n",
  },

  ...[
    "CONNECT_ERROR from a client",
    "second CONNECT for a namespace",
    "packet for a namespace that was not joined",
  ].map((text) => ({
    program: "wire.mjs",
    row: "`error` of a socket whose client breaks a rule",
    socketio: "",
    ferrio: `error: ${text}\n`,
  })),
  {
    program: "wire.mjs",
    row: "`error` of a socket whose client breaks a rule",
    socketio: "error: Cannot read properties of undefined (reading 'base64')\n",
    ferrio: "error: empty packet\n",
  },
  ...[
    ["43[]", "missing ack id", ""],
    ["43", "invalid payload", ""],
    ["42", "invalid payload", "event: []\n"],
  ].map(([packet, text, event]) => ({
    program: "wire.mjs",
    row: "an ack without an id, an ack or event without a payload",
    socketio: `== ${packet}\n${event}open\ndisconnect: transport close undefined\n`,
    ferrio: `== ${packet}\nerror: ${text}\ndisconnect: forced close undefined\nclosed: 1005\n`,
  })),

  ...["EIO=3&transport=websocket", "transport=websocket", "EIO=4&transport=polling"].map((query) => ({
    program: "http.mjs",
    row: "an upgrade that is refused for its revision, or that names the transport `polling`",
    socketio: `${query} open\n`,
    ferrio: `${query} Unexpected server response: 400\n`,
  })),
  {
    program: "http.mjs",
    row: "an upgrade that is refused for its revision, or that names the transport `polling`",
    socketio: "",
    ferrio: "GET /socket.io/?EIO=4&transport=polling 0 Transport unknown { transport: 'polling' }\n",
  },

  {
    program: "recovery.mjs",
    row: "recovery: a session that was recovered",
    socketio: "after leaving: true true { name: 'Ada' } 0\n",
    ferrio: "after leaving: false false {} 1\n",
  },
  {
    program: "recovery.mjs",
    row: "recovery: a session that was recovered",
    socketio: "after being sent away: true true\n",
    ferrio: "after being sent away: false false\n",
  },
  {
    program: "adapter.mjs",
    row: "the order of `socket.rooms`",
    socketio: "leave-room early by B\ndelete-room early\nleave-room B by B\ndelete-room B\n",
    ferrio: "leave-room B by B\ndelete-room B\nleave-room early by B\ndelete-room early\n",
  },
  {
    program: "conn-packets.mjs",
    row: "`packet` of the close of a polling client",
    socketio: "message '1'\n== polling: out\n",
    ferrio: "message '1'\npacket close undefined\n== polling: out\n",
  },
  {
    program: "engine.mjs",
    row: "a refusal",
    socketio: "{ 'content-type': 'application/json' }\nwebsocket:",
    ferrio: "{ 'content-type': 'application/json', 'x-content-type-options': 'nosniff' }\nwebsocket:",
  },
  {
    program: "secure.mjs",
    row: "`handshake.secure` over HTTP/2",
    socketio: "HTTP 2.0 secure: false",
    ferrio: "HTTP 2.0 secure: true",
  },
];
