/** Sockets on the engine: Rust encodes, counts acks and keeps the rooms. */
import { OneAck } from "./acks";
import { Client, type WriteOptions } from "./client";
import type { Conn, DisconnectReason } from "./conn";
import type { Engine } from "./engine";
import type { ExtendedError } from "./errors";
import { encode } from "./parser";
import { FlagBits } from "./records";
import { PacketType } from "./scripted/packages";
import type { Socket } from "./socket";
import type { EmitOptions, Wire } from "./wire";

/** The one wire of an engine. @internal */
export class NativeWire implements Wire {
  constructor(private readonly engine: Engine) {}

  client(socket: Socket): Client {
    return socket.conn._asClient;
  }

  acks(socket: Socket): Map<number, (...args: any[]) => void> {
    const acks = new Map<number, (...args: any[]) => void>();
    for (const [id, ack] of this.engine.acks) {
      if (ack instanceof OneAck && ack.self === socket) acks.set(id, ack.callback);
    }
    return acks;
  }

  accept(socket: Socket): void {
    if (socket._pid !== undefined) socket.nsp._kept.taken(socket._pid);
    this.engine.accept(socket._key);
  }

  refuse(socket: Socket, error: ExtendedError): void {
    const old = socket.conn.protocol === 3;
    const data = old ? error.data || error.message : { message: error.message, data: error.data };
    this.engine.reject(socket._key, JSON.stringify(data) ?? "null");
    this.engine.sockets.delete(socket._key);
  }

  emit(socket: Socket, event: any[], callback: ((...args: any[]) => void) | undefined, options: EmitOptions): void {
    const { engine } = this;
    if (socket._pid !== undefined && callback === undefined && !options.volatile) {
      return this.emitRecoverable(socket, event, options.compress);
    }
    socket._notifyOutgoing(event);
    const payload = encode(event);
    const { timeout } = options;
    let ack = -1;
    if (callback !== undefined) {
      ack = engine.number();
      engine.acks.set(ack, new OneAck(socket, callback, timeout));
    }
    engine.emit(socket._key, payload, options, ack, ack === -1 || timeout === undefined ? -1 : timeout);
  }

  /** Sends an event that the client finds among those it missed, if it is away. */
  private emitRecoverable(socket: Socket, event: any[], compress: boolean): void {
    const { engine } = this;
    const { nsp } = socket;
    if (socket._over) {
      // To whoever has its id now, or will have it again.
      const opts = { rooms: new Set([socket.id]), except: new Set<string>(), flags: { compress } };
      return nsp.adapter.broadcast({ type: PacketType.Event, data: event }, opts);
    }
    const offset = socket._watchesOutgoing ? engine.stamp(nsp.name) : undefined;
    if (offset !== undefined) event.push(offset);
    const stamped = offset !== undefined;
    engine.emit(socket._key, encode(event), { volatile: false, compress, stamped }, -1, -1);
    socket._notifyOutgoing(event);
  }

  answer(socket: Socket, id: number, args: any[]): void {
    this.engine.ack(socket._key, id, encode(args));
  }

  disconnect(socket: Socket, close: boolean): void {
    this.engine.disconnect(socket._key, close);
  }

  disconnectAll(socket: Socket): void {
    for (const each of [...socket.conn._sockets]) each._disconnectFromHere(true);
  }

  ending(socket: Socket, reason: DisconnectReason, data: any): void {
    if (socket._pid !== undefined) socket.nsp._kept.ended(socket._pid, reason, data);
  }

  forget(socket: Socket, ended: boolean): void {
    socket.conn._left(socket);
    if (ended) this.engine.release(socket._key);
  }
}

const DEFAULTS: WriteOptions = {};

/** Sends frames on a connection of the engine. @internal */
export function writeTo(conn: Conn, encoded: readonly (string | Uint8Array)[], options: WriteOptions): void {
  const flags = (options.volatile ? FlagBits.Volatile : 0) | (options.compress !== false ? FlagBits.Compress : 0);
  conn._engine.share(conn._key, encoded, options, flags);
}

/** `socket.client` of a socket on the engine. */
export class NativeClient extends Client {
  /** The sockets by id. A copy. */
  get sockets(): Map<string, Socket> {
    return new Map(this.conn._sockets.filter(({ connected }) => connected).map((socket) => [socket.id, socket]));
  }

  /** The sockets by the name of their namespace. A copy. */
  get nsps(): Map<string, Socket> {
    return new Map(this.conn._sockets.filter(({ connected }) => connected).map((socket) => [socket.nsp.name, socket]));
  }

  /** Sends frames as they are: Socket.IO packets, from a parser's encoder. */
  writeToEngine(encoded: readonly (string | Uint8Array)[], options: WriteOptions = DEFAULTS): void {
    const { conn } = this;
    if (conn.readyState !== "open") return;
    writeTo(conn, encoded, options);
  }
}
