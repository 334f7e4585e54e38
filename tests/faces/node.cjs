// ferrio's Node package, as it lies in this checkout.
require("./program.cjs")(require("../../bindings-node"));
