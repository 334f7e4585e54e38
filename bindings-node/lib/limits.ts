/** What clients may cost: options that socket.io has not got. Nothing of it costs the JavaScript thread anything. */

/** How much may wait for a client, and for the program. */
export interface LimitOptions {
  /** Bytes waiting for one client above which it counts as slow: `await socket.drain()` waits from there on. 1 MiB. */
  highMark: number;
  /** Bytes waiting for one client that are too many. 16 MiB. */
  hardLimit: number;
  /**
   * What becomes of a client for which more than `hardLimit` would wait, once the volatile events among it have been dropped.
   * `"disconnect"`: it is disconnected with the reason `"slow consumer"`. `"drop"`: it stays, and does not get the event.
   */
  slowConsumer: "disconnect" | "drop";
  /** Time a client may take nothing of what waits for it, in ms; then it is disconnected, as a slow consumer. 45000. */
  writeTimeout: number;
  /** Bytes of events waiting for the JavaScript thread above which the engine stops reading from clients. 8 MiB. */
  mailboxBytes: number;
}

/** The limits as the engine has them. @internal */
export function limitOptions(options: Partial<LimitOptions>): object {
  const { highMark, hardLimit, slowConsumer, writeTimeout, mailboxBytes } = options;
  return { highMark, hardLimit, slowConsumer, writeTimeout, mailboxBytes };
}
