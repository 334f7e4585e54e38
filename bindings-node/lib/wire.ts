/** What a socket stands on: the engine, or a script over raw connections. */
import type { Client } from "./client";
import type { DisconnectReason } from "./conn";
import type { ExtendedError } from "./errors";
import type { Socket } from "./socket";

/** How an emit travels. @internal */
export interface EmitOptions {
  volatile: boolean;
  compress: boolean;
  /** How long the ack is waited for, in ms; undefined means for ever. */
  timeout: number | undefined;
}

/**
 * The packets of sockets, whoever encodes them. The engine does ({@link NativeWire}) unless the program brought a parser, an
 * adapter or raw connections of its own (`scripted/`).
 *
 * @internal
 */
export interface Wire {
  /** `socket.client`. */
  client(socket: Socket): Client;
  /** Acks that are waited for, by packet id: `socket.acks`. */
  acks(socket: Socket): Map<number, (...args: any[]) => void>;
  /** The socket was let in: tells the client. */
  accept(socket: Socket): void;
  /** The socket was refused: tells the client why. */
  refuse(socket: Socket, error: ExtendedError): void;
  /** Tells the outgoing catch-all listeners of an event, name first, sends it, and hands the client's answer to `callback`. */
  emit(socket: Socket, event: any[], callback: ((...args: any[]) => void) | undefined, options: EmitOptions): void;
  /** Sends the answer to an event of the client's. */
  answer(socket: Socket, id: number, args: any[]): void;
  /** Sends a DISCONNECT, then closes the connection if asked to. */
  disconnect(socket: Socket, close: boolean): void;
  /** Takes all sockets of the connection out, then closes it. */
  disconnectAll(socket: Socket): void;
  /** The socket is about to leave its rooms. `data` is the program's, if it has kept any. */
  ending(socket: Socket, reason: DisconnectReason, data: any): void;
  /**
   * The socket is over: it has left its rooms and its namespace.
   *
   * @param ended - the other side knows already
   */
  forget(socket: Socket, ended: boolean): void;
}
