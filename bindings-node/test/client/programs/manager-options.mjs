// Defaults, getters and setters of a Manager.
import { Manager } from "socket.io-client";
import { print } from "./support.mjs";

const NAMES = [
  "reconnection",
  "reconnectionAttempts",
  "reconnectionDelay",
  "reconnectionDelayMax",
  "randomizationFactor",
  "timeout",
];
const show = (manager) => print(...NAMES.map((name) => manager[name]()));
const make = (options) => new Manager("http://localhost:1", { autoConnect: false, ...options });

show(make({}));
show(make(Object.fromEntries(NAMES.map((name) => [name, 0]))));
show(make(Object.fromEntries(NAMES.map((name) => [name, null]))));
show(make(Object.fromEntries(NAMES.map((name) => [name, false]))));
show(make(Object.fromEntries(NAMES.map((name) => [name, 3]))));

const manager = make({});
print(NAMES.every((name) => manager[name](1) === manager));
show(manager);
manager.reconnection(false).timeout(false).randomizationFactor(0).reconnectionAttempts(Number.POSITIVE_INFINITY);
show(manager);
print(manager.timeout(undefined) === manager, manager.timeout());

print("back-off without chance");
const { backoff } = make({ reconnectionDelay: 10, reconnectionDelayMax: 75, randomizationFactor: 0 });
print(
  [1, 2, 3, 4, 5].map(() => backoff.duration()),
  backoff.attempts,
);
backoff.reset();
print(backoff.duration(), backoff.attempts);

print("back-off with chance: added before the limit is looked at");
const { random } = Math;
for (const chance of [0, 0.09, 0.1, 0.25, 0.5, 0.99]) {
  Math.random = () => chance;
  const { backoff } = make({ reconnectionDelay: 100, reconnectionDelayMax: 500, randomizationFactor: 0.5 });
  print(
    chance,
    [1, 2, 3, 4, 5].map(() => backoff.duration()),
  );
}
Math.random = () => 0.5;
const chancy = make({ reconnectionDelay: 100, randomizationFactor: 2 });
print("outside 0…1 there is none at first:", chancy.backoff.duration(), chancy.randomizationFactor());
Math.random = random;
