/** npm's packages of the scripted layer. Loaded when they are needed: a server on the engine never does. */
import type { EventEmitter } from "node:events";
import type { AdapterConstructor } from "../adapter";

/** A Socket.IO packet, decoded. */
export interface Packet {
  /** One of {@link PacketType}. */
  type: number;
  /** The namespace. */
  nsp: string;
  /** An event with its arguments, the arguments of an ack, or what belongs to a CONNECT. */
  data?: any;
  /** The id of the ack. */
  id?: number;
}

/** Types of packets, by the number that every parser knows them by. */
export const enum PacketType {
  Connect,
  Disconnect,
  Event,
  Ack,
  ConnectError,
  BinaryEvent,
  BinaryAck,
}

/** Makes frames of packets. */
export interface Encoder {
  /** @returns the frames of the packet, in their order: text or binary */
  encode(packet: Packet): (string | Uint8Array)[];
}

/** Makes packets of frames: emits `decoded` (packet). */
export interface Decoder extends EventEmitter {
  /** Takes a frame. @throws what it is that is wrong with it */
  add(frame: string | Uint8Array): void;
  /** It is of no use any more. */
  destroy(): void;
}

/** The option `parser`. */
export interface Parser {
  /** Makes frames of packets; one serves all connections. */
  Encoder: new () => Encoder;
  /** Makes packets of frames; one for each connection. */
  Decoder: new () => Decoder;
}

/** The parser of Socket.IO itself. */
export function defaultParser(): Parser {
  return require("socket.io-parser");
}

/** The adapter of a server that is alone. @param recovery - clients may come back */
export function memoryAdapter(recovery: boolean): AdapterConstructor {
  const { Adapter, SessionAwareAdapter } = require("socket.io-adapter");
  return recovery ? SessionAwareAdapter : Adapter;
}
