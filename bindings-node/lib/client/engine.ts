/** One Engine.IO connection, as `socket.io.engine` shows it: its types. */
import type { Emitter } from "@socket.io/component-emitter";
import type { PacketType } from "../records";

/** What a message may be. */
export type RawData = any;

/** What the server says of a connection when it opens. */
export interface HandshakeData {
  /** The session id, known to this client only. */
  sid: string;
  /** Transports that the server would move to. */
  upgrades: string[];
  /** How often the server asks whether the client is there, in ms. */
  pingInterval: number;
  /** How long it waits for the answer, in ms. */
  pingTimeout: number;
  /** Bytes of a request's body that the server takes. */
  maxPayload: number;
}

/** An Engine.IO packet, as `packet` and `packetCreate` show it. */
export interface EnginePacket {
  type: PacketType | "error";
  /** Text or bytes; missing where there is none. */
  data?: any;
  /** Of a packet to be sent. */
  options?: { compress?: boolean };
}

/** What carries packets now. */
export interface EngineTransport {
  /** `polling`, `websocket` or `webtransport`. */
  readonly name: string;
  /** What is sent now leaves now. */
  readonly writable: boolean;
}

/** Why a connection ended: what is known beside the reason. */
export interface CloseDetails {
  description: string;
  context?: unknown;
}

/** The events of a connection. */
export interface EngineEvents {
  /** The connection is open. */
  open: () => void;
  handshake: (data: HandshakeData) => void;
  /** A packet came. */
  packet: (packet: EnginePacket) => void;
  /** A packet was made, to be sent. */
  packetCreate: (packet: EnginePacket) => void;
  /** A message came: text or bytes. */
  data: (data: any) => void;
  /** The same as `data`. */
  message: (data: any) => void;
  /** What waited has been handed to the transport. */
  drain: () => void;
  flush: () => void;
  /** A packet came, of whatever kind. */
  heartbeat: () => void;
  /** The server asked whether the client is there. */
  ping: () => void;
  /** The answer to that was sent. */
  pong: () => void;
  error: (error: string | Error) => void;
  /** A better transport works, and is being moved to. */
  upgrading: (transport: EngineTransport) => void;
  /** It has been moved to. */
  upgrade: (transport: EngineTransport) => void;
  /** A better transport does not work; the present one goes on. */
  upgradeError: (error: Error) => void;
  /** The connection has ended. */
  close: (reason: string, description?: CloseDetails | Error) => void;
}

/** One connection. It never comes back: the Manager opens another one. */
export interface Engine extends Emitter<Record<never, never>, Record<never, never>, EngineEvents> {
  /** The session id, known to this client only; undefined or null while there is none. */
  id: string;
  readyState: "opening" | "open" | "closing" | "closed";
  readonly transport: EngineTransport;
  /** Packets that have not been handed to the transport yet. Their number counts; they may be without content. */
  readonly writeBuffer: EnginePacket[];
  /** What bytes come as. */
  binaryType: string;
  /** The server has not been heard of for longer than it promised. @internal */
  _hasPingExpired(): boolean;
  /** Sends a message; `callback` is called when it has been handed to the transport. */
  write(message: RawData, options?: { compress?: boolean }, callback?: () => void): this;
  /** The same as {@link write}. */
  send(message: RawData, options?: { compress?: boolean }, callback?: () => void): this;
  /** Ends the connection, once what waits has been sent. */
  close(): this;
}
