/** The addon: what it offers, and where it lies. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { addonName, platformName } from "./platform";

/** What `drain` brings beside the records: the joined text, or that and what does not fit in it. */
export type Drained = string | [text: string, strings: string[] | undefined, bytes: ArrayBuffer | undefined];

/** The engine, as `src/engine.rs` exports it. All numbers that name things are below 2^53. */
export interface NativeEngine {
  /** Carries out commands: `records` up to `used`, which take their texts from `text` and their bytes from `attachments`. */
  submit(text: string, records: Float64Array, used: number, attachments: Uint8Array[] | undefined): void;
  /** Fills `records` with events; `records[0]` is where they end, `records[1]` whether more wait. */
  drain(records: Float64Array): Drained;
  /** Changes options (JSON) while the engine runs. @throws Error naming the option that is wrong or cannot change */
  configure(options: string): void;
  rooms(socket: number): string[];
  members(nsp: string, rooms: string[], except: string[]): number[];
  stamp(nsp: string): string | null;
  roomNames(nsp: string): string[];
  /** What the server has counted, as JSON with the limits' names in snake case. */
  stats(): string;
  /** Bytes waiting to be sent to a connection. */
  buffered(conn: number): number;
  /** Whether what is sent to a connection now leaves now. */
  writable(conn: number): boolean;
  /** Bytes waiting to be sent on a client's connection. If there are any, `ClientDrain` follows when there are none. */
  clientBuffered(client: number): number;
  /** Whether what a client sends now leaves now. If not, `ClientDrain` follows when it does. */
  clientWritable(client: number): boolean;
  /** The transport that a client uses now; null if it is not open. */
  clientTransport(client: number): "polling" | "websocket" | null;
  /** Listens on a port of the engine's own. `certificate` and `key` are PEM files. @returns the address */
  listen(address: string, certificate: string | undefined, key: string | undefined): string;
  /** Begins to close; the `Closed` event is the last. */
  close(): void;
  /** The same, but clients are sent away over time; `close` ends it at once. Times in ms. @throws Error for one that is none */
  drainClients(grace: number, spread: number, reason: string): void;
  /** Whether newcomers are let in. */
  hasRoomForChild(children: number): boolean;
  isReady(): boolean;
  /** Ends the threads. The engine is of no use afterwards. */
  dispose(): void;
}

/** The addon's exports. */
export interface Addon {
  Engine: new (options: string, wake: () => void) => NativeEngine;
}

/**
 * Loads the addon of this machine: the one that was built here, else the one of the platform's package.
 *
 * @throws Error that names the platform and says what to do
 */
export function loadAddon(): Addon {
  const built = join(__dirname, "..", addonName());
  if (existsSync(built)) return require(built);
  const name = `ferrio-${platformName()}`;
  let addon: string;
  try {
    addon = require.resolve(name);
  } catch (cause) {
    throw new Error(
      `ferrio has no addon for ${platformName()} here: the package ${name} is not installed. Install without ` +
        "--omit=optional, and on the kind of machine that runs the program. If there is no such package, build ferrio " +
        "from its sources: npm run build in bindings-node",
      { cause },
    );
  }
  return require(addon);
}
