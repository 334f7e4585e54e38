/** What a Manager stands on: one connection after another, and who turns packets into what they carry. */
import type { Decoder, Encoder, Packet, Parser } from "../scripted/packages";
import { defaultParser } from "../scripted/packages";
import type { Engine } from "./engine";
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

/** The packets of one Manager. @internal */
export class Wire {
  private encoder: Encoder | undefined;
  private decoder: Decoder | undefined;
  private subs: (() => void)[] = [];

  /** @param parser - the option of that name */
  constructor(
    private readonly parser: Parser | undefined,
    private readonly sink: Sink,
  ) {}

  /**
   * Begins a connection. Nothing is emitted on it before this returns.
   *
   * @throws Error naming the option that is wrong
   */
  open(uri: string | undefined, options: EngineOptions): Engine {
    const { Socket } = require("engine.io-client");
    return uri === undefined ? new Socket(options) : new Socket(uri, options);
  }

  /** From now on the packets of this connection go to the sink. */
  listen(engine: Engine): void {
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
    );
  }

  /** No more of them, and nothing of what was half there. */
  mute(): void {
    for (const undo of this.subs.splice(0)) undo();
    this.decoder?.destroy();
  }

  /** Sends a packet. @throws what its values throw when they are encoded */
  send(engine: Engine, packet: OutgoingPacket): void {
    this.encoder ??= new (this.parser ?? defaultParser()).Encoder();
    for (const frame of this.encoder.encode(packet as Packet)) engine.write(frame, packet.options);
  }
}
