/**
 * Events come in in rounds. One *round* takes one batch from the engine and walks it in the ticks of the original: what belongs
 * to the connection at once, then in a tick of its own everything that arrived (catch-all listeners, middlewares, acks), then
 * in another tick the listeners. Endings and new sockets wait until the messages before them were delivered, and come one by one.
 * Promise jobs run between two rounds, so the rounds of one wake-up look to user code like packets that came one read after
 * another.
 */
import type { IncomingMessage } from "node:http";
import type { PendingAck } from "./acks";
import { Batch } from "./batch";
import type { Conn } from "./conn";
import type { Engine } from "./engine";
import type { Cause, Exchange, Link } from "./exchange";
import type { NativeEngine } from "./native";
import { NativeRequest } from "./native-request";
import type { TransportName } from "./options";
import { Pace } from "./pace";
import { type AckEndKind, EventKind, PACKET_TYPES, REASONS } from "./records";
import type { Newcomer, Socket } from "./socket";

/** What the engine tells the server that owns it. */
export interface EngineOwner {
  /** A connection opened. */
  opened(conn: number, sid: string, cause: Cause | undefined, protocol: 3 | 4, transport: TransportName): void;
  /** A request is refused; its answer follows. `code`, `message` and `context` are those of `connection_error`. */
  refused(cause: Exchange | Link, code: number, message: string, context: object): void;
  /** A client asks to join a namespace. */
  connecting(conn: Conn, nsp: string, newcomer: Newcomer): void;
  /** A client that could have come back did not. */
  expired(nsp: string, pid: string, sid: string, rooms: string[]): void;
}

/** What waits for the tick of arrivals; `id` tells what it is: an event's ack id or one of these. */
const NO_ID = -1;
const ANSWER = -2;
const NO_ANSWER = -3;

/** What opened a connection on a port of the engine's own. */
function causeOf(head: [string, string, string, boolean, ...string[]] | null): Cause | undefined {
  if (head === null) return undefined;
  const [method, url, remote, secure, ...headers] = head;
  const request = new NativeRequest(method, url, remote, secure, headers) as unknown as IncomingMessage;
  return { request, claim: () => request };
}

/** The rounds of one engine. @internal */
export class Rounds {
  /** A round is under way: it flushes at its end. */
  running = false;
  private readonly pace = new Pace(() => this.round());

  private readonly batch = new Batch();
  /** Triples: the socket or pending ack, what arrived, the id. */
  private arrivals: any[] = [];
  private arrived = 0;
  /** Pairs: a socket and the event it is to see. */
  private deliveries: any[] = [];
  private delivered = 0;
  /** Raw messages came: who hears them takes the same two ticks for each. */
  private raw = false;
  /** Calls that wait for the deliveries. */
  private late: (() => void)[] = [];
  private lateDone = 0;

  constructor(
    private readonly engine: Engine,
    private readonly native: NativeEngine,
    private readonly owner: EngineOwner,
  ) {}

  /** The engine has something for us. */
  wake(): void {
    this.pace.wake();
  }

  private round(): void {
    if (this.engine.closed) return;
    this.running = true;
    this.batch.take(this.native);
    this.step();
  }

  // The four stages of a round. In each, user code may throw: that is an uncaughtException like any other, and what is
  // left of the stage is done in the next tick.

  private readonly step = (): void => {
    let whole = false;
    try {
      while (this.batch.at < this.batch.end) this.read();
      whole = true;
    } finally {
      if (!whole) process.nextTick(this.step);
    }
    if (this.arrivals.length > 0 || this.raw) process.nextTick(this.arrive);
    else this.finish();
  };

  private readonly arrive = (): void => {
    const { arrivals } = this;
    let whole = false;
    try {
      while (this.arrived < arrivals.length) {
        const at = this.arrived;
        this.arrived += 3;
        this.arrival(arrivals[at], arrivals[at + 1], arrivals[at + 2]);
      }
      whole = true;
    } finally {
      if (!whole) process.nextTick(this.arrive);
    }
    this.arrivals = [];
    this.arrived = 0;
    process.nextTick(this.deliver);
  };

  private readonly deliver = (): void => {
    const { deliveries } = this;
    let whole = false;
    try {
      while (this.delivered < deliveries.length) {
        const at = this.delivered;
        this.delivered += 2;
        (deliveries[at] as Socket)._deliver(deliveries[at + 1]);
      }
      whole = true;
    } finally {
      if (!whole) process.nextTick(this.deliver);
    }
    this.deliveries = [];
    this.delivered = 0;
    this.finish();
  };

  private readonly finish = (): void => {
    if (this.lateDone === this.late.length) {
      this.raw = false;
      this.late = [];
      this.lateDone = 0;
      return this.settle();
    }
    const last = ++this.lateDone === this.late.length;
    let whole = false;
    try {
      this.late[this.lateDone - 1]();
      whole = true;
    } finally {
      // Each as if it came by itself: the ticks and promise jobs of one run before the next.
      if (!whole || !last) queueMicrotask(this.finishTick);
    }
    if (last) this.finish();
  };

  private readonly finishTick = (): void => process.nextTick(this.finish);

  /** The end of a round: what it made crosses. */
  private settle(): void {
    this.running = false;
    this.batch.clear();
    this.engine.flush();
    this.pace.over(this.batch.more);
  }

  /** Takes one event from the batch. `at` moves on before any user code runs. */
  private read(): void {
    const { batch, engine } = this;
    const { cells, at } = batch;
    const key = cells[at + 1];
    switch (cells[at] as EventKind) {
      case EventKind.Open: {
        batch.at = at + 7;
        const [sid, head] = JSON.parse(batch.string(at + 5));
        const number = cells[at + 2];
        const cause = engine.exchanges.get(number) ?? (engine.links.get(number) as Link | undefined) ?? causeOf(head);
        const transport = cells[at + 4] === 0 ? "polling" : "websocket";
        this.owner.opened(key, sid, cause, cells[at + 3] === 3 ? 3 : 4, transport);
        return;
      }
      case EventKind.Upgrade:
        batch.at = at + 2;
        engine.conns.get(key)?._upgraded();
        return;
      case EventKind.Connect: {
        batch.at = at + 5;
        const [nsp, sid, auth, pid, recovered] = JSON.parse(batch.string(at + 3));
        const conn = engine.conns.get(cells[at + 2]);
        if (conn !== undefined) {
          this.after(() => this.owner.connecting(conn, nsp, { key, id: sid, auth: auth ?? {}, pid, recovered }));
        }
        return;
      }
      case EventKind.Message: {
        const text = batch.string(at + 3);
        const args = batch.values(text, at + 5);
        const socket = engine.sockets.get(key);
        if (socket === undefined) return;
        if (args !== undefined) this.arrivals.push(socket, args, cells[at + 2]);
        else engine.closeConn(socket.conn._key, true);
        return;
      }
      case EventKind.Ack: {
        const text = batch.string(at + 3);
        const args = batch.values(text, at + 5);
        const pending = engine.acks.get(key);
        if (pending === undefined || args === undefined) return;
        if (!pending.many) engine.acks.delete(key);
        this.arrivals.push(pending, args, ANSWER);
        return;
      }
      case EventKind.AckEnd: {
        batch.at = at + 5;
        const pending = engine.acks.get(key);
        engine.acks.delete(key);
        if (pending !== undefined) this.arrivals.push(pending, cells[at + 2], NO_ANSWER);
        return;
      }
      case EventKind.Disconnect: {
        batch.at = at + 5;
        const reason = REASONS[cells[at + 2]];
        const detail = batch.string(at + 3);
        this.after(() => engine.sockets.get(key)?._ended(reason, detail));
        return;
      }
      case EventKind.Close: {
        batch.at = at + 5;
        const reason = REASONS[cells[at + 2]];
        const detail = batch.string(at + 3);
        // Taken out at once: the next connection of this batch may have its slot.
        const conn = engine.conns.get(key);
        engine.conns.delete(key);
        if (conn !== undefined) this.after(() => conn._closed(reason, detail));
        return;
      }
      case EventKind.Drain:
        batch.at = at + 2;
        return;
      case EventKind.Response: {
        batch.at = at + 8;
        const [opened, ...headers] = JSON.parse(batch.string(at + 3));
        const body = cells[at + 5] === 0 ? batch.string(at + 6) : batch.bytes(at + 6);
        const exchange = engine.exchanges.get(key);
        engine.exchanges.delete(key);
        exchange?.respond(cells[at + 2], headers, body, opened);
        return;
      }
      case EventKind.LinkWrite: {
        batch.at = at + 4;
        engine.links.get(key)?.write(batch.bytes(at + 2));
        return;
      }
      case EventKind.LinkClose: {
        batch.at = at + 2;
        const link = engine.links.get(key);
        engine.links.delete(key);
        link?.close();
        return;
      }
      case EventKind.Data: {
        batch.at = at + 5;
        this.raw = true;
        const data = cells[at + 2] === 0 ? batch.keptString(at + 3) : batch.bytes(at + 3);
        engine.conns.get(key)?._data(data);
        return;
      }
      case EventKind.Packet: {
        batch.at = at + 7;
        const form = cells[at + 4];
        const data = form < 0 ? undefined : form === 0 ? batch.keptString(at + 5) : batch.bytes(at + 5);
        engine.conns.get(key)?._packet(cells[at + 2] === 1, PACKET_TYPES[cells[at + 3]], data);
        return;
      }
      case EventKind.Refused: {
        batch.at = at + 5;
        const [message, context] = JSON.parse(batch.string(at + 3));
        const cause = engine.exchanges.get(key) ?? (engine.links.get(key) as Link | undefined);
        if (cause !== undefined) this.owner.refused(cause, cells[at + 2], message, context);
        return;
      }
      case EventKind.Written: {
        batch.at = at + 2;
        const receipt = engine.receipts.get(key);
        engine.receipts.delete(key);
        receipt?.();
        return;
      }
      case EventKind.SessionExpired: {
        batch.at = at + 3;
        const [nsp, pid, sid, ...rooms] = JSON.parse(batch.string(at + 1));
        this.after(() => this.owner.expired(nsp, pid, sid, rooms));
        return;
      }
      case EventKind.Closed:
        batch.at = at + 1;
        batch.more = false;
        engine._over();
        return;
      default:
        throw new Error(`ferrio: the addon is not of this version (event ${cells[at]})`);
    }
  }

  /** When the messages before it have been delivered. */
  private after(call: () => void): void {
    this.late.push(call);
  }

  private arrival(target: Socket | PendingAck, what: any, id: number): void {
    if (id >= NO_ID) {
      const socket = target as Socket;
      if (socket._arrived(what, id)) this.deliveries.push(socket, what);
    } else if (id === ANSWER) {
      (target as PendingAck).answer(what);
    } else {
      (target as PendingAck).end(what as AckEndKind);
    }
  }
}
