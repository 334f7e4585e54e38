// What a bundler for browsers gets for require("ferrio/client"): there is no addon there.
module.exports = require("socket.io-client");
