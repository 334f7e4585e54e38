/** What a Manager stands on: one connection after another, and who turns packets into what they carry. */
import { type Decoder, defaultParser, type Encoder, type Packet, type Parser } from "../scripted/packages";
import { dialOf, locate } from "./dial";
import type { Engine } from "./engine";
import { NativeConnection } from "./native-connection";
import { on } from "./on";
import type { EngineOptions } from "./options";

/** A packet to be sent. @internal */
export interface OutgoingPacket extends Omit<Packet, "nsp"> {
  /** Set when it is sent: programs put packets without it into a buffer. */
  nsp?: string;
  options?: { compress?: boolean };
}

/** Who hears what comes. @internal */
export interface Sink {
  packet(packet: Packet): void;
  /** The connection carried something that is no packet. */
  unreadable(error: Error): void;
}

/**
 * The packets of one Manager. The engine reads and writes them, unless the program brought a parser that it does not know; and
 * it makes the connections, unless there is an option that only Node's stack knows: then npm's engine.io-client does.
 *
 * @internal
 */
export class Wire {
  /** What the engine is to speak; undefined if the packets are a parser's. */
  private readonly serializer: "default" | "msgpack" | undefined;
  private encoder: Encoder | undefined;
  private decoder: Decoder | undefined;
  private subs: (() => void)[] = [];

  /** @param parser - the option of that name */
  constructor(
    private readonly parser: Parser | undefined,
    private readonly sink: Sink,
  ) {
    this.serializer = serializerOf(parser);
  }

  /**
   * Begins a connection. Nothing is emitted on it before this returns.
   *
   * @throws Error naming the option that is wrong
   */
  open(uri: string | undefined, options: EngineOptions): Engine {
    locate(uri, options);
    const dial = dialOf(options);
    if (dial === undefined) {
      const { Socket } = require("engine.io-client");
      return new Socket(options);
    }
    const { serializer } = this;
    return new NativeConnection(dial, serializer === undefined ? "engineio" : "socketio", serializer ?? "default");
  }

  /** From now on the packets of this connection go to the sink. */
  listen(engine: Engine): void {
    if (this.isNative(engine)) {
      engine._sink = this.sink;
      this.subs.push(() => {
        engine._sink = undefined;
      });
      return;
    }
    this.decoder ??= new (this.parser ?? defaultParser()).Decoder();
    const { decoder } = this;
    this.subs.push(
      on(engine, "data", (data) => {
        try {
          decoder.add(data);
        } catch (error) {
          this.sink.unreadable(error as Error);
        }
      }),
      // In a tick of its own, so that what a listener throws is not taken for the parser's.
      on(decoder, "decoded", (packet) => process.nextTick(() => this.sink.packet(packet))),
      () => decoder.destroy(),
    );
  }

  /** No more of them, and nothing of what was half there. */
  mute(): void {
    for (const undo of this.subs.splice(0)) undo();
  }

  /** Sends a packet. @throws what its values throw when they are encoded */
  send(engine: Engine, packet: OutgoingPacket): void {
    if (this.isNative(engine)) return engine._send(packet);
    this.encoder ??= new (this.parser ?? defaultParser()).Encoder();
    for (const frame of this.encoder.encode(packet as Packet)) engine.write(frame, packet.options);
  }

  private isNative(engine: Engine): engine is NativeConnection {
    return this.serializer !== undefined && engine instanceof NativeConnection;
  }
}

/** What the engine may do in place of a parser: Socket.IO's own, and MessagePack. */
function serializerOf(parser: Parser | null | undefined): "default" | "msgpack" | undefined {
  if (parser === undefined || parser === null || isThat(parser, "socket.io-parser")) return "default";
  return isThat(parser, "socket.io-msgpack-parser") ? "msgpack" : undefined;
}

/** Whether a parser is the one of a package, as it is or as an ESM namespace of it. */
function isThat({ Encoder, Decoder }: Parser, name: string): boolean {
  try {
    const known = require(name);
    return Encoder === known.Encoder && Decoder === known.Decoder;
  } catch {
    return false; // not installed
  }
}
