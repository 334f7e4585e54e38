/** A subscription that can be undone. */

interface Listenable {
  on(event: any, listener: any): unknown;
  off(event: any, listener: any): unknown;
}

/** Listens. @returns what ends it */
export function on(emitter: Listenable, event: string, listener: (...args: any[]) => void): () => void {
  emitter.on(event, listener);
  return () => void emitter.off(event, listener);
}
