/**
 * Rooms that the engine keeps, in the dress of the `Map`s and `Set`s of the original's adapter: each question is asked of the
 * engine when it is put. They are to be read; who wants to change rooms has `join` and `leave`.
 */
import { inspect } from "node:util";

/** A `Set` whose values are asked for. @internal */
export abstract class SetView<T> extends Set<T> {
  /** The values right now. */
  protected abstract list(): T[];

  override get size(): number {
    return this.list().length;
  }

  override has(value: T): boolean {
    return this.list().includes(value);
  }

  override values(): SetIterator<T> {
    return this.list().values() as SetIterator<T>;
  }

  override keys(): SetIterator<T> {
    return this.values();
  }

  override entries(): SetIterator<[T, T]> {
    return this.list()
      .map((value): [T, T] => [value, value])
      .values() as SetIterator<[T, T]>;
  }

  override [Symbol.iterator](): SetIterator<T> {
    return this.values();
  }

  override forEach(callback: (value: T, again: T, set: Set<T>) => void, self?: unknown): void {
    for (const value of this.list()) callback.call(self, value, value, this);
  }

  override add(): this {
    throw readOnly();
  }

  override delete(): boolean {
    throw readOnly();
  }

  override clear(): void {
    throw readOnly();
  }

  [inspect.custom](): Set<T> {
    return new Set(this.list());
  }
}

/** A `Map` whose entries are asked for. @internal */
export abstract class MapView<K, V> extends Map<K, V> {
  /** The keys right now. */
  protected abstract list(): K[];
  /** The value of a key, undefined if it is not there (any more). */
  abstract override get(key: K): V | undefined;

  override get size(): number {
    return this.list().length;
  }

  override has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  override keys(): MapIterator<K> {
    return this.list().values() as MapIterator<K>;
  }

  override values(): MapIterator<V> {
    return this.pairs()
      .map(([, value]) => value)
      .values() as MapIterator<V>;
  }

  override entries(): MapIterator<[K, V]> {
    return this.pairs().values() as MapIterator<[K, V]>;
  }

  override [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }

  override forEach(callback: (value: V, key: K, map: Map<K, V>) => void, self?: unknown): void {
    for (const [key, value] of this.pairs()) callback.call(self, value, key, this);
  }

  override set(): this {
    throw readOnly();
  }

  override delete(): boolean {
    throw readOnly();
  }

  override clear(): void {
    throw readOnly();
  }

  [inspect.custom](): Map<K, V> {
    return new Map(this.pairs());
  }

  private pairs(): [K, V][] {
    const pairs: [K, V][] = [];
    for (const key of this.list()) {
      const value = this.get(key);
      if (value !== undefined) pairs.push([key, value]);
    }
    return pairs;
  }
}

function readOnly(): TypeError {
  return new TypeError(
    "the engine keeps the rooms: this is a view of them, to change them call socket.join() and leave()",
  );
}
