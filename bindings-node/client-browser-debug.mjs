// What a bundler for browsers gets for ferrio/client/debug: with the `debug` package inside.
export * from "socket.io-client/debug";
export { default } from "socket.io-client/debug";
