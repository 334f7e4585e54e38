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
];
