// What programs may show otherwise, as in ../../programs/differences.mjs.
export const DIFFERENCES = [
  {
    program: "small-options.mjs",
    row: "`localAddress`, `requestTimeout` of polling",
    "socket.io-client": "== polling\nlocalAddress true from 127.0.0.1\n",
    ferrio: "== polling\nlocalAddress true from 127.0.0.7\n",
  },
];
