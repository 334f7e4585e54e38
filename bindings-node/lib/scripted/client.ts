/**
 * Socket.IO in JavaScript, over one raw connection: for programs that bring what the engine does not know, a parser, an adapter
 * or connections of their own.
 */
import type { RestoredSession } from "../adapter";
import { Client, type WriteOptions } from "../client";
import type { Conn, DisconnectReason } from "../conn";
import { type ExtendedError, timedOut } from "../errors";
import { queryOf } from "../handshake";
import { randomId } from "../ids";
import type { Namespace } from "../namespace";
import { writeTo } from "../native-wire";
import { RECOVERABLE } from "../recovery";
import type { Server } from "../server";
import { NO_ID, Socket } from "../socket";
import type { EmitOptions, Wire } from "../wire";
import { type Decoder, type Encoder, type Packet, PacketType } from "./packages";
import type { RawSocket } from "./raw";

type Callback = (...args: any[]) => void;

/** The engine does not know its sockets. */
const NO_KEY = -1;

/** A raw connection with its sockets: what carries their packets, too. */
export class ScriptedClient extends Client implements Wire {
  /** The sockets that are connected, by id. */
  readonly sockets = new Map<string, Socket>();
  /** The sockets that are connected, by the name of their namespace. */
  readonly nsps = new Map<string, Socket>();

  private readonly server: Server<any, any, any, any>;
  private readonly encoder: Encoder;
  private readonly decoder: Decoder;
  /** Namespaces that are being joined, with their sockets once there are any. */
  private readonly joining = new Map<string, Socket | undefined>();
  private connectTimer: NodeJS.Timeout | undefined;

  constructor(server: Server<any, any, any, any>, conn: Conn) {
    super(conn);
    this.server = server;
    this.encoder = server.encoder;
    this.decoder = new server._parser.Decoder();
    this.decoder.on("decoded", this.onPacket);
    conn.on("data", this.onData);
    conn.on("error", this.onError);
    conn.on("close", this.onClose);
    this.connectTimer = setTimeout(() => {
      if (this.nsps.size === 0) this.close();
    }, server.connectTimeout());
    if (conn.protocol === 3) this.join("/", {}); // as old clients take it for granted
  }

  // ---- in ----

  private readonly onData = (frame: string | Buffer): void => {
    try {
      this.decoder.add(frame);
    } catch (error) {
      this.onError(error as Error);
    }
  };

  private readonly onPacket = (packet: Packet): void => {
    const { nsp, type } = packet;
    if (typeof nsp !== "string") return this.onError(new Error("invalid namespace"));
    const [name, auth] = this.conn.protocol === 3 ? splitQuery(nsp) : [nsp, packet.data];
    const socket = this.nsps.get(name);
    if (type === PacketType.Connect && socket === undefined && !this.joining.has(name)) this.join(name, auth ?? {});
    else if (type === PacketType.Connect || type === PacketType.ConnectError || socket === undefined) this.close();
    else process.nextTick(() => this.dispatch(socket, packet));
  };

  private dispatch(socket: Socket, { type, data, id }: Packet): void {
    switch (type) {
      case PacketType.Event:
      case PacketType.BinaryEvent:
        // A parser may be lax, but nothing a client sends may throw here.
        if (!isEvent(data)) return this.onError(new Error("invalid payload"));
        if (socket._arrived(data, id ?? NO_ID)) process.nextTick(() => socket._deliver(data));
        return;
      case PacketType.Ack:
      case PacketType.BinaryAck: {
        const ack = socket.acks.get(id as number);
        if (ack === undefined) return;
        if (!Array.isArray(data)) return this.onError(new Error("invalid payload"));
        socket.acks.delete(id as number);
        ack.apply(socket, data);
        return;
      }
      case PacketType.Disconnect:
        socket._close("client namespace disconnect");
    }
  }

  private readonly onError = (error: Error): void => {
    for (const socket of [...this.sockets.values()]) socket._fail(error);
    this.conn.close();
  };

  private readonly onClose = (reason: DisconnectReason, description?: Error): void => {
    this.release();
    for (const socket of [...this.sockets.values()]) socket._close(reason, description);
    for (const socket of [...this.joining.values()]) socket?._close(reason, description);
    this.sockets.clear();
    this.joining.clear();
    this.decoder.destroy();
  };

  /** @internal The engine does the Socket.IO of this connection after all: it was there before the adapter. */
  _abandon(): void {
    this.release();
    this.decoder.destroy();
  }

  private release(): void {
    const { conn, decoder } = this;
    conn.removeListener("data", this.onData);
    conn.removeListener("error", this.onError);
    conn.removeListener("close", this.onClose);
    decoder.removeListener("decoded", this.onPacket);
    clearTimeout(this.connectTimer);
  }

  private close(): void {
    if (this.conn.readyState !== "open") return;
    this.conn.close();
    this.onClose("forced server close");
  }

  // ---- joining ----

  private join(name: string, auth: any): void {
    this.joining.set(name, undefined);
    this.server._find(name, auth, (nsp, why) => {
      if (this.conn.readyState !== "open") return;
      if (nsp !== undefined) return void this.enter(nsp, auth);
      this.joining.delete(name);
      this.write({ type: PacketType.ConnectError, nsp: name, data: { message: why } });
    });
  }

  /** A promise, so that a middleware that throws is an unhandled rejection, and no fault of the packet's. */
  private async enter(nsp: Namespace, auth: any): Promise<void> {
    const session = await this.restore(nsp, auth);
    if (this.conn.readyState !== "open") return;
    const id = session?.sid ?? this.newId(nsp.name);
    const pid = session?.pid ?? (this.recovery ? randomId() : undefined);
    const socket = new Socket(nsp, this, this.conn, { key: NO_KEY, id, auth, pid, recovered: session !== null });
    this.joining.set(nsp.name, socket);
    if (session !== null) {
      socket.data = session.data;
      socket.join(session.rooms);
      for (const data of session.missedPackets) this.write({ type: PacketType.Event, nsp: nsp.name, data });
    }
    nsp._welcome(socket);
  }

  private async restore(nsp: Namespace, auth: any): Promise<RestoredSession | null> {
    if (!this.recovery || typeof auth.pid !== "string" || typeof auth.offset !== "string") return null;
    try {
      return (await nsp.adapter.restoreSession(auth.pid, auth.offset)) ?? null;
    } catch {
      return null; // what cannot be restored is a new session
    }
  }

  /** A client that is old has one id for everything; to others, that of the connection would give their session away. */
  private newId(nsp: string): string {
    if (this.conn.protocol !== 3) return randomId();
    return nsp === "/" ? this.id : `${nsp}#${this.id}`;
  }

  private get recovery(): any {
    return this.server.opts.connectionStateRecovery;
  }

  // ---- out ----

  client(): this {
    return this;
  }

  acks(socket: Socket): Map<number, Callback> {
    return socket._ownAcks;
  }

  accept(socket: Socket): void {
    const { name } = socket.nsp;
    this.joining.delete(name);
    const data = this.conn.protocol === 3 ? undefined : { sid: socket.id, pid: socket._pid };
    this.write({ type: PacketType.Connect, nsp: name, data });
    this.sockets.set(socket.id, socket);
    this.nsps.set(name, socket);
    clearTimeout(this.connectTimer);
  }

  refuse(socket: Socket, error: ExtendedError): void {
    const { message, data } = error;
    const old = this.conn.protocol === 3;
    this.write({
      type: PacketType.ConnectError,
      nsp: socket.nsp.name,
      data: old ? data || message : { message, data },
    });
  }

  emit(socket: Socket, event: any[], callback: Callback | undefined, options: EmitOptions): void {
    const { nsp } = socket;
    const packet: Packet = { type: PacketType.Event, nsp: nsp.name, data: event };
    if (callback !== undefined) {
      packet.id = nsp._ids++;
      this.await(socket, packet.id, callback, options.timeout);
    }
    if (this.recovery) {
      // It may have to be sent again.
      const flags = { compress: options.compress, ...(options.volatile && { volatile: true }) };
      nsp.adapter.broadcast(packet, { rooms: new Set([socket.id]), except: new Set(), flags });
    } else {
      socket._notifyOutgoing(event);
      this.write(packet, options);
    }
  }

  answer(socket: Socket, id: number, args: any[]): void {
    this.write({ type: PacketType.Ack, nsp: socket.nsp.name, id, data: args });
  }

  disconnect(socket: Socket): void {
    this.write({ type: PacketType.Disconnect, nsp: socket.nsp.name });
  }

  disconnectAll(): void {
    for (const socket of [...this.sockets.values()]) socket._disconnectFromHere(false);
    this.close();
  }

  ending(socket: Socket, reason: DisconnectReason): void {
    if (!this.recovery || !RECOVERABLE.has(reason)) return;
    const { id: sid, data, nsp, rooms } = socket;
    nsp.adapter.persistSession({ sid, pid: socket._pid!, rooms: [...rooms], data });
  }

  forget(socket: Socket): void {
    const { name } = socket.nsp;
    if (this.nsps.get(name) === socket) this.nsps.delete(name);
    if (this.joining.get(name) === socket) this.joining.delete(name);
    this.sockets.delete(socket.id);
  }

  writeToEngine(encoded: readonly (string | Uint8Array)[], options: WriteOptions = {}): void {
    const { conn } = this;
    if (conn._engine !== undefined) return writeTo(conn, encoded, options);
    const raw = conn as unknown as RawSocket;
    if (options.volatile && !raw.transport.writable) return;
    for (const frame of encoded) raw.write(frame, options);
  }

  private write(packet: Packet, options: WriteOptions = { compress: true }): void {
    if (this.conn.readyState !== "open") return;
    this.writeToEngine(this.encoder.encode(packet), options);
  }

  private await(socket: Socket, id: number, callback: Callback, timeout: number | undefined): void {
    const { acks } = socket;
    if (timeout === undefined) return void acks.set(id, callback);
    const timer = setTimeout(() => {
      acks.delete(id);
      callback.call(socket, timedOut());
    }, timeout);
    acks.set(id, (...args) => {
      clearTimeout(timer);
      callback.call(socket, null, ...args);
    });
  }
}

/** The query that an old client appends to the name of a namespace is what newer ones send as `auth`. */
function splitQuery(nsp: string): [name: string, auth: object] {
  const at = nsp.indexOf("?");
  return at < 0 ? [nsp, {}] : [nsp.slice(0, at), queryOf(nsp)];
}

function isEvent(data: unknown): data is [string, ...any[]] {
  return Array.isArray(data) && (typeof data[0] === "string" || typeof data[0] === "number");
}
