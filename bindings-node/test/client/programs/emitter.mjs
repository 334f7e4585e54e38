// The emitter of client and Manager: component-emitter's, not Node's.
import { io } from "socket.io-client";
import { print } from "./support.mjs";

for (const target of ["socket", "manager"]) {
  print("==", target);
  const socket = io("http://localhost:1", { autoConnect: false, forceNew: true });
  const emitter = target === "socket" ? socket : socket.io;
  const f = () => {};
  print(emitter.on("a", f) === emitter, emitter.once("a", f) === emitter, emitter.off("a", f) === emitter);
  print(
    emitter.listeners("a").length,
    emitter.hasListeners("a"),
    emitter.listeners("none"),
    emitter.hasListeners("none"),
  );
  emitter.off("a", f);
  print("once is found by its function:", emitter.hasListeners("a"));
  emitter.on("a", f).on("a", f).on("b", f);
  print(emitter.listeners("a").length, emitter.off("a", f).listeners("a").length);
  print("the array is live:", emitter.listeners("a").push(f), emitter.listeners("a").length);
  emitter.off("a");
  print(emitter.hasListeners("a"), emitter.hasListeners("b"));
  emitter.off();
  print(emitter.hasListeners("b"), Object.keys(emitter._callbacks));
  emitter.on("c", f);
  print(Object.keys(emitter._callbacks));
  emitter.removeAllListeners("c");
  emitter.addEventListener("d", f).addEventListener("e", f);
  emitter.removeEventListener("d", f).removeListener("e", f);
  print(Object.keys(emitter._callbacks), emitter.off("nothing", f) === emitter);
}

print("== a reserved event is emitted by the library only");
const socket = io("http://localhost:1", { autoConnect: false, forceNew: true });
for (const name of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]) {
  try {
    socket.emit(name);
    print(name, "sent");
  } catch (error) {
    print(error.constructor.name, error.message);
  }
}
for (const name of ["error", "open", "close", "reconnect", "ping", "", "$", "__proto__", 5]) socket.emit(name, 1);
print(socket.sendBuffer.map(({ data }) => data));

print("== a Manager's emit is local");
socket.io.on("mine", function (...args) {
  print(args, this === socket.io);
});
print(socket.io.emit("mine", 1, 2) === socket.io);

print("== listeners are copied before they are called");
const seen = [];
const second = () => seen.push("second");
socket.io.on("many", () => {
  seen.push("first");
  socket.io.off("many", second);
  socket.io.on("many", () => seen.push("third"));
});
socket.io.on("many", second);
socket.io.emit("many");
print(seen);
socket.io.emit("many");
print(seen);
