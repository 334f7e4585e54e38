/** A connection of the engine's, as `socket.io.engine` shows it. */
import { Emitter } from "@socket.io/component-emitter";
import { keepAlive } from "../exchange";
import { encode } from "../parser";
import type { PacketType as EngineType, REASONS, TRANSPORTS } from "../records";
import { type Packet, PacketType } from "../scripted/packages";
import * as debug from "./debug";
import type { Dial } from "./dial";
import type { CloseDetails, Engine, EngineEvents, EnginePacket, EngineTransport, HandshakeData } from "./engine";
import { brokenOff, errorOf, type Failure } from "./errors";
import { type Hub, theHub } from "./hub";
import type { OutgoingPacket } from "./wire";

/** Events of which the engine only tells when asked to. */
const WATCHED: ReadonlySet<unknown> = new Set([
  "packet",
  "packetCreate",
  "data",
  "message",
  "heartbeat",
  "ping",
  "pong",
  "flush",
  "drain",
]);

/** Who hears the packets of a connection. @internal */
export interface PacketSink {
  packet(packet: Packet): void;
}

/** A transport that is the engine's. */
class NativeTransport implements EngineTransport {
  constructor(
    readonly name: (typeof TRANSPORTS)[number],
    private readonly connection: NativeConnection,
  ) {}

  get writable(): boolean {
    return this.connection._writable;
  }
}

/** The last connection that was open had a WebSocket. */
let priorWebsocketSuccess = false;

/** See the module. @internal */
export class NativeConnection
  extends Emitter<Record<never, never>, Record<never, never>, EngineEvents>
  implements Engine
{
  declare id: string;
  readyState: Engine["readyState"] = "opening";
  transport: EngineTransport;
  readonly binaryType = "nodebuffer";
  /** The server answers on a WebSocket, which takes over when the last poll is back. */
  upgrading = false;
  /** @internal Who hears the packets. */
  _sink: PacketSink | undefined;

  private readonly hub: Hub = theHub();
  private readonly number: number;
  /** The engine does Socket.IO; else messages are the program's own. */
  private readonly layered: boolean;
  private readonly keepsAlive: boolean;
  private watched = false;
  /** Messages from before it is open. */
  private early: any[] | undefined;
  /** Packets that were sent since nothing was waiting. */
  private queued = 0;
  /** When something was sent last, in crossings. */
  private sentAt = -1;
  private written: (() => void)[] | undefined;

  constructor({ url, options, autoUnref }: Dial, layer: "socketio" | "engineio", serializer: "default" | "msgpack") {
    super();
    const { transports, rememberUpgrade, ...more } = options;
    const first = rememberUpgrade && priorWebsocketSuccess && transports.includes("websocket");
    const order = first ? ["websocket", ...transports.filter((name) => name !== "websocket")] : transports;
    this.transport = new NativeTransport(order[0] as any, this);
    this.layered = layer === "socketio";
    this.keepsAlive = !autoUnref;
    debug.engine('creating transport "%s"', order[0]);
    this.number = this.hub.dial(this, url, JSON.stringify({ ...more, transports: order, layer, serializer }));
    if (this.keepsAlive) keepAlive.add();
  }

  // ---- out ----

  /** @internal Sends a packet of Socket.IO. */
  _send(packet: OutgoingPacket): void {
    if (this.readyState !== "open") return;
    const { hub, number } = this;
    const nsp = packet.nsp!;
    // npm's server drops an event that it reads together with a DISCONNECT: let there be a tick between them, as the original
    // leaves it.
    if (packet.type === PacketType.Disconnect && this.sentAt === hub.crossings) hub.flush();
    this.queued++;
    this.sentAt = hub.crossings;
    switch (packet.type) {
      case PacketType.Event:
        return hub.emit(number, nsp, packet.id, encode(packet.data));
      case PacketType.Ack:
        return hub.ack(number, nsp, packet.id!, encode(packet.data));
      case PacketType.Connect:
        return hub.join(number, nsp, packet.data === null ? undefined : JSON.stringify(packet.data));
      case PacketType.Disconnect:
        return hub.leave(number, nsp);
    }
  }

  write(message: any, options?: any, callback?: () => void): this {
    return this.send(message, options, callback);
  }

  send(message: any, options?: any, callback?: () => void): this {
    const done = typeof options === "function" ? options : callback;
    if (this.readyState === "opening") {
      this.early ??= [];
      this.early.push([message, done]);
    } else if (this.readyState === "open") {
      this.queued++;
      this.sentAt = this.hub.crossings;
      this.hub.write(this.number, [typeof message === "string" ? message : bytesOf(message)]);
      if (done !== undefined) this.whenWritten(done);
    }
    return this;
  }

  private whenWritten(callback: () => void): void {
    this.written ??= [];
    this.written.push(callback);
    if (this.hub.buffered(this.number) === 0) process.nextTick(() => this._drained());
  }

  close(): this {
    if (this.readyState !== "opening" && this.readyState !== "open") return this;
    const waits = this.upgrading || this.sentAt === this.hub.crossings || this.writeBuffer.length > 0;
    this.readyState = "closing";
    // Not in the POST that brings what was sent before: npm's server would see the end first, and not our DISCONNECT.
    if (waits && this.transport.name === "polling") this.whenWritten(() => this.hub.hangUp(this.number));
    else this.hub.hangUp(this.number);
    if (!waits) this.end("forced close");
    return this;
  }

  get writeBuffer(): EnginePacket[] {
    if (this.readyState !== "open" && this.readyState !== "closing") return [];
    if (this.queued === 0 || this.hub.buffered(this.number) === 0) this.queued = 0;
    return Array.from({ length: this.queued }, () => ({ type: "message" }));
  }

  /** @internal */
  get _writable(): boolean {
    if (this.readyState !== "open" || this.sentAt === this.hub.crossings) return false;
    return this.hub.writable(this.number);
  }

  /** The engine watches the heartbeats, and does so while this thread is busy. */
  _hasPingExpired(): boolean {
    return false;
  }

  // ---- who listens ----

  override on(event: any, listener: any): this {
    super.on(event, listener);
    if (WATCHED.has(event)) this.watch(true);
    return this;
  }

  addEventListener(event: any, listener: any): this {
    return this.on(event, listener);
  }

  private watch(on: boolean): void {
    if (this.watched === on) return;
    this.watched = on;
    this.hub.watch(this.number, on);
  }

  // ---- what the engine tells ----

  _opened(name: (typeof TRANSPORTS)[number], handshake: Partial<HandshakeData>): void {
    if (this.readyState !== "opening") return;
    debug.engine("socket open");
    this.transport = new NativeTransport(name, this);
    if (this.hasListeners("packet")) this.emitReserved("packet", { type: "open", data: JSON.stringify(handshake) });
    this.emitReserved("heartbeat");
    this.emitReserved("handshake", handshake as HandshakeData);
    this.id = handshake.sid!;
    this.readyState = "open";
    priorWebsocketSuccess = name === "websocket";
    this.emitReserved("open");
    const early = this.early ?? [];
    this.early = undefined;
    for (const [message, done] of early) this.send(message, done);
  }

  _upgrade(step: number, why: string): void {
    if (this.readyState !== "open" && this.readyState !== "closing") return;
    const websocket = new NativeTransport("websocket", this);
    if (step === 0) {
      this.upgrading = true;
      this.emitReserved("upgrading", websocket);
    } else if (step === 1) {
      this.transport = websocket;
      priorWebsocketSuccess = true;
      this.upgrading = false;
      this.emitReserved("upgrade", websocket);
    } else {
      this.upgrading = false;
      priorWebsocketSuccess = false;
      this.emitReserved("upgradeError", Object.assign(new Error(`probe error: ${why}`), { transport: "websocket" }));
    }
  }

  _packet(type: PacketType, nsp: string, data: any, id: number | undefined): void {
    if (data === undefined && (type === PacketType.Event || type === PacketType.Ack)) {
      // V8 reads JSON otherwise than the engine does.
      this.close();
      return this.end("parse error", new Error("invalid payload"));
    }
    this._sink?.packet({ type, nsp, data, id });
  }

  _data(data: string | Buffer): void {
    this.emitReserved("data", data);
    this.emitReserved("message", data);
  }

  _seen(sent: boolean, type: EngineType, data: string | Buffer | undefined): void {
    if (this.readyState === "closed") return;
    if (sent) {
      this.emitReserved("packetCreate", { type, data, options: { compress: true } });
      this.emitReserved("flush");
      return;
    }
    this.emitReserved("packet", data === undefined ? { type } : { type, data });
    this.emitReserved("heartbeat");
    if (type === "ping") {
      this.emitReserved("ping");
      this.emitReserved("pong");
    } else if (type === "message" && this.layered) {
      this._data(data!);
    }
  }

  _drained(): void {
    this.queued = 0;
    const { written } = this;
    this.written = undefined;
    if (written !== undefined) for (const callback of written) callback();
    this.emitReserved("drain");
  }

  _failed(failure: Failure): void {
    if (this.keepsAlive) keepAlive.delete();
    if (this.readyState === "closed") return;
    if (failure.kind === "aborted") return this.end("forced close");
    debug.engine("socket error %s", failure.message);
    priorWebsocketSuccess = false;
    const error = errorOf(failure);
    this.emitReserved("error", error);
    this.end("transport error", error);
  }

  _closed(reason: (typeof REASONS)[number], detail: string, status: number | undefined): void {
    if (this.keepsAlive) keepAlive.delete();
    if (this.readyState === "closed") return;
    switch (reason) {
      case "transport error": {
        priorWebsocketSuccess = false;
        const error = brokenOff(this.transport.name, detail, status);
        this.emitReserved("error", error);
        return this.end(reason, error);
      }
      case "transport close":
        if (this.transport.name === "polling")
          return this.end(reason, { description: "transport closed by the server" });
        return this.end(reason, {
          description: "websocket connection closed",
          context: { type: "close", reason: detail },
        });
      case "parse error":
        return this.end(reason, new Error(detail));
      default:
        return this.end(reason);
    }
  }

  private end(reason: string, details?: CloseDetails | Error): void {
    if (this.readyState === "closed") return;
    debug.engine('socket close with reason: "%s"', reason);
    this.readyState = "closed";
    this.id = null as unknown as string;
    this.emitReserved("close", reason, details);
    this.queued = 0;
  }
}

function bytesOf(message: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (message instanceof Uint8Array) return message;
  if (ArrayBuffer.isView(message)) return new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
  return new Uint8Array(message);
}
