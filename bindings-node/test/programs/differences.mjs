// What programs may show otherwise. Each entry: the program, the lines of socket.io and those of ferrio in its transcript
// (with as many lines around them as tell them apart), and the words of DIFFERENCES.md under which the reason stands.
export const DIFFERENCES = [
  {
    program: "subclass.mjs",
    row: "overridden methods that the library calls itself",
    socketio: "patched use /\nof /\nof /\npatched join own id\n",
    ferrio: "patched use /\nof /\n",
  },
];
