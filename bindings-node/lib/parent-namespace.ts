/** Namespaces that are made when a client asks for them. */
import type { BroadcastOptions, BroadcastPacket } from "./adapter";
import type { RemoteSocket } from "./broadcast-operator";
import * as debug from "./debug";
import { callListeners, type DefaultEventsMap, type EventsMap } from "./emitter";
import { Namespace } from "./namespace";
import { NativeAdapter } from "./native-adapter";
import type { Server } from "./server";

/** Decides whether a namespace of this name may be made for a client with this `auth`. */
export type ParentMatch = (
  name: string,
  auth: { [key: string]: any },
  next: (error: Error | null, allow: boolean) => void,
) => void;

let parents = 0;

/**
 * What `io.of(/pattern/)` gives. A namespace that a client asks for and the pattern allows is made with the middlewares and
 * the connection listeners that the parent has at that moment.
 */
export class ParentNamespace<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
  ServerSideEvents extends EventsMap = DefaultEventsMap,
  SocketData = any,
> extends Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
  /** @internal The namespaces made so far. */
  readonly _children = new Set<Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>();

  /** @internal Names the program may ask for as well. */
  readonly _pattern: RegExp | undefined;
  /** @internal Names clients may ask for. */
  readonly _match: ParentMatch;

  /** @internal @throws Error for a regular expression that remembers */
  constructor(server: Server<ListenEvents, EmitEvents, ServerSideEvents, SocketData>, names: RegExp | ParentMatch) {
    refuseStateful(names);
    super(server, `/_${parents++}`);
    if (typeof names === "function") {
      this._match = names;
    } else {
      this._pattern = names;
      this._match = (name, _auth, next) => next(null, names.test(name));
    }
  }

  /** Not possible: ask the children. @throws Error */
  override fetchSockets(): Promise<RemoteSocket<EmitEvents, SocketData>[]> {
    throw new Error("fetchSockets() is not supported on parent namespaces");
  }

  /** @internal */
  _createChild(name: string): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    const { server } = this;
    debug.parent("%s makes %s", this.name, name);
    const child = new Namespace(server, name);
    child._fns = this._fns.slice();
    for (const event of ["connect", "connection"] as const) {
      for (const listener of this.listeners(event)) child.on(event, listener as any);
    }
    this._children.add(child);
    if (server.opts.cleanupEmptyChildNamespaces) {
      child._onEmpty = () => {
        if (!this._children.delete(child)) return;
        child.adapter.close();
        server._nsps.delete(name);
      };
    }
    server._nsps.set(name, child);
    callListeners.call(server.sockets, "new_namespace", child);
    return child;
  }

  /** @internal Broadcasts go to all children, whatever their adapter. */
  override _initAdapter(): void {
    this.adapter = new NativeAdapter(this);
    this.adapter.broadcast = (packet: BroadcastPacket, opts: BroadcastOptions) => {
      for (const child of this._children) child.adapter.broadcast(packet, opts);
    };
  }
}

function refuseStateful(names: RegExp | ParentMatch): void {
  if (typeof names === "object" && (names.global || names.sticky)) {
    throw new Error("stateful regular expressions are not supported");
  }
}
