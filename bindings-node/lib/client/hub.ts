/**
 * The one engine that carries the clients of this environment: started with the first connection, and idle when there is none.
 *
 * Commands cross once a tick. Events come in in rounds, one batch after the other; each event has a tick of its own, with promise
 * jobs between, as if each had been read by itself: who awaits one event and then listens for the next one must not miss it.
 */
import { Batch } from "../batch";
import { Crossing, startEngine } from "../crossing";
import type { NativeEngine } from "../native";
import { Pace } from "../pace";
import type { Payload } from "../parser";
import { CommandKind, EventKind, FAILURES, PACKET_TYPES, REASONS, TRANSPORTS } from "../records";
import { PacketType } from "../scripted/packages";
import type { NativeConnection } from "./native-connection";

/** See the module. @internal */
export class Hub extends Crossing {
  protected native: NativeEngine | undefined;
  protected running = false;
  /** How often commands have crossed. */
  crossings = 0;

  private readonly connections = new Map<number, NativeConnection>();
  private lastNumber = 0;
  private readonly batch = new Batch();
  private readonly pace = new Pace(() => this.round());

  constructor() {
    super();
    this.native = startEngine("{}", () => this.pace.wake());
  }

  // ---- out ----

  /** Begins a connection. @returns the number by which it is known */
  dial(connection: NativeConnection, url: string, options: string): number {
    const number = ++this.lastNumber;
    this.connections.set(number, connection);
    const { commands } = this;
    commands.reserve(4);
    commands.number(CommandKind.Dial);
    commands.number(number);
    commands.string(url);
    commands.string(options);
    this.touch();
    return number;
  }

  /** Asks for a namespace. @param auth - JSON text */
  join(number: number, nsp: string, auth: string | undefined): void {
    const { commands } = this;
    commands.reserve(4);
    commands.number(CommandKind.ClientJoin);
    commands.number(number);
    commands.string(nsp);
    if (auth === undefined) commands.number(-1);
    else commands.string(auth);
    this.touch();
  }

  leave(number: number, nsp: string): void {
    const { commands } = this;
    commands.reserve(3);
    commands.number(CommandKind.ClientLeave);
    commands.number(number);
    commands.string(nsp);
    this.touch();
  }

  /** Sends an event; the server is to answer under `id`. */
  emit(number: number, nsp: string, id: number | undefined, payload: Payload): void {
    const { commands } = this;
    commands.reserve(7);
    commands.number(CommandKind.ClientEmit);
    commands.number(number);
    commands.number(id ?? -1);
    commands.number(0); // what may be lost, has been lost by now
    commands.string(nsp);
    this.payload(payload);
    this.emitted(payload.attachments);
  }

  ack(number: number, nsp: string, id: number, payload: Payload): void {
    const { commands } = this;
    commands.reserve(6);
    commands.number(CommandKind.ClientAck);
    commands.number(number);
    commands.number(id);
    commands.string(nsp);
    this.payload(payload);
    this.emitted(payload.attachments);
  }

  /** Sends raw messages. */
  write(number: number, data: readonly (string | Uint8Array)[]): void {
    const { commands } = this;
    commands.reserve(4 + data.length);
    commands.number(CommandKind.ClientWrite);
    commands.number(number);
    commands.number(0);
    this.emitted(this.frames(data));
  }

  /** Has every packet told, and when everything has left. */
  watch(number: number, on: boolean): void {
    this.command(CommandKind.ClientWatch, number, on);
  }

  /** Ends a connection, once what waits has been sent. */
  hangUp(number: number): void {
    this.command(CommandKind.HangUp, number, false);
  }

  override flush(): void {
    this.crossings++;
    super.flush();
  }

  private command(kind: CommandKind, number: number, flag: boolean): void {
    const { commands } = this;
    commands.reserve(3);
    commands.number(kind);
    commands.number(number);
    commands.number(flag ? 1 : 0);
    this.touch();
  }

  // ---- questions that are answered at once ----

  /** Bytes that wait to be sent. */
  buffered(number: number): number {
    this.flush();
    return this.native?.clientBuffered(number) ?? 0;
  }

  /** What is sent now leaves now. */
  writable(number: number): boolean {
    this.flush();
    return this.native?.clientWritable(number) ?? false;
  }

  // ---- in ----

  private round(): void {
    if (this.native === undefined) return;
    this.running = true;
    this.batch.take(this.native);
    this.step();
  }

  /** Reads one event. What a listener throws is an uncaughtException like any other; the rest follows all the same. */
  private readonly step = (): void => {
    const { batch } = this;
    try {
      if (batch.at < batch.end) this.read(batch.cells[batch.at + 1]);
    } finally {
      if (batch.at < batch.end) queueMicrotask(this.stepTick);
      else this.settle();
    }
  };

  private readonly stepTick = (): void => process.nextTick(this.step);

  /** The end of a round: what it made crosses. */
  private settle(): void {
    this.running = false;
    this.batch.clear();
    this.flush();
    this.pace.over(this.batch.more);
  }

  /** Takes one event from the batch. `at` moves on before any user code runs. */
  private read(number: number): void {
    const { batch } = this;
    const { cells, at } = batch;
    const connection = this.connections.get(number);
    switch (cells[at] as EventKind) {
      case EventKind.ClientMessage: {
        const id = cells[at + 2];
        const nsp = batch.string(at + 3);
        const data = batch.values(batch.string(at + 5), at + 7);
        connection?._packet(PacketType.Event, nsp, data, id < 0 ? undefined : id);
        return;
      }
      case EventKind.ClientAck: {
        const nsp = batch.string(at + 3);
        const data = batch.values(batch.string(at + 5), at + 7);
        connection?._packet(PacketType.Ack, nsp, data, cells[at + 2]);
        return;
      }
      case EventKind.ClientOpened: {
        batch.at = at + 8;
        const [sid, ...upgrades] = JSON.parse(batch.string(at + 6));
        const [pingInterval, pingTimeout] = [cells[at + 3], cells[at + 4]];
        const maxPayload = cells[at + 5] < 0 ? undefined : cells[at + 5];
        connection?._opened(TRANSPORTS[cells[at + 2]], { sid, upgrades, pingInterval, pingTimeout, maxPayload });
        return;
      }
      case EventKind.ClientUpgrade:
        batch.at = at + 5;
        connection?._upgrade(cells[at + 2], batch.keptString(at + 3));
        return;
      case EventKind.ClientJoined:
      case EventKind.ClientRefused: {
        batch.at = at + 4;
        const type = cells[at] === EventKind.ClientJoined ? PacketType.Connect : PacketType.ConnectError;
        const [nsp, data] = JSON.parse(batch.string(at + 2));
        connection?._packet(type, nsp, data, undefined);
        return;
      }
      case EventKind.ClientLeft:
        batch.at = at + 4;
        connection?._packet(PacketType.Disconnect, batch.keptString(at + 2), undefined, undefined);
        return;
      case EventKind.ClientData:
        batch.at = at + 5;
        connection?._data(cells[at + 2] === 0 ? batch.keptString(at + 3) : batch.bytes(at + 3));
        return;
      case EventKind.ClientPacket: {
        batch.at = at + 7;
        const form = cells[at + 4];
        const data = form < 0 ? undefined : form === 0 ? batch.keptString(at + 5) : batch.bytes(at + 5);
        connection?._seen(cells[at + 2] === 1, PACKET_TYPES[cells[at + 3]], data);
        return;
      }
      case EventKind.ClientDrain:
        batch.at = at + 2;
        connection?._drained();
        return;
      case EventKind.ClientFailed: {
        batch.at = at + 7;
        const transport = cells[at + 3] < 0 ? undefined : TRANSPORTS[cells[at + 3]];
        const status = cells[at + 4] < 0 ? undefined : cells[at + 4];
        const [message, detail] = JSON.parse(batch.string(at + 5));
        this.connections.delete(number);
        connection?._failed({ kind: FAILURES[cells[at + 2]], transport, status, message, detail });
        return;
      }
      case EventKind.ClientClosed:
        batch.at = at + 6;
        this.connections.delete(number);
        connection?._closed(
          REASONS[cells[at + 3]],
          batch.keptString(at + 4),
          cells[at + 2] < 0 ? undefined : cells[at + 2],
        );
        return;
      default:
        throw new Error(`ferrio: the addon is not of this version (event ${cells[at]})`);
    }
  }
}

let hub: Hub | undefined;

/** The engine of this environment, started when it is needed. @internal */
export function theHub(): Hub {
  hub ??= new Hub();
  return hub;
}
