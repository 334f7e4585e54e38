/** What the engine counts: refusals, limits that struck, how connections ended. Counting costs no event anything. */

/** The state of a server and what it has counted since it was started: {@link Server.stats}. The keys are few and known beforehand. */
export interface Stats {
  /** Connections that are open. */
  connections: number;
  /** Bytes waiting to be sent to them. A broadcast counts once for each that it waits for. */
  bufferedBytes: number;
  /** Connections that were opened. */
  opened: number;
  /** Requests that were refused, by the `code` of `connection_error`, 0 to 5. */
  refused: Record<number, number>;
  /** Connections that ended, by reason: `{"transport close": 12}`. */
  closed: Record<string, number>;
  /** How often each limit struck, by the name of its option: `{hardLimit: 1, jsonDepth: 0, …}`. */
  limits: Record<string, number>;
}

/** What a server says that has not been started. */
const NOTHING: Stats = { connections: 0, bufferedBytes: 0, opened: 0, refused: {}, closed: {}, limits: {} };

/** Reads what the engine wrote; `declined` are the requests that did not get so far, by code. @internal */
export function readStats(json: string | undefined, declined: readonly number[] = []): Stats {
  if (json === undefined) return { ...NOTHING };
  const stats: Stats = JSON.parse(json);
  stats.limits = Object.fromEntries(Object.entries(stats.limits).map(([name, count]) => [camelCase(name), count]));
  declined.forEach((count, code) => {
    stats.refused[code] += count;
  });
  return stats;
}

function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
