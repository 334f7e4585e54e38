// What a bundler for browsers gets for ferrio/client: there is no addon there.
export * from "socket.io-client";
export { default } from "socket.io-client";
