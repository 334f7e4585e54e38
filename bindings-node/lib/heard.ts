/** What nobody listens to need not be asked of the engine. */
import { EventEmitter } from "node:events";

/** An emitter that learns when its listeners change. */
export abstract class HeardEmitter extends EventEmitter {
  /** Listeners have come or gone. */
  protected abstract listenersChanged(): void;

  override on(event: string | symbol, listener: (...args: any[]) => void): this {
    super.on(event, listener);
    this.listenersChanged();
    return this;
  }

  override addListener(event: string | symbol, listener: (...args: any[]) => void): this {
    return this.on(event, listener);
  }

  override prependListener(event: string | symbol, listener: (...args: any[]) => void): this {
    super.prependListener(event, listener);
    this.listenersChanged();
    return this;
  }

  override removeListener(event: string | symbol, listener: (...args: any[]) => void): this {
    super.removeListener(event, listener);
    this.listenersChanged();
    return this;
  }

  override off(event: string | symbol, listener: (...args: any[]) => void): this {
    return this.removeListener(event, listener);
  }

  override removeAllListeners(event?: string | symbol): this {
    if (event === undefined) super.removeAllListeners();
    else super.removeAllListeners(event);
    this.listenersChanged();
    return this;
  }
}
