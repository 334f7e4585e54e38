// The original.
require("./program.cjs")(require("socket.io"));
