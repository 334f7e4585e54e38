/** How commands cross to an engine: what is asked for in a tick crosses together at its end, or after 64 KiB. */
import { loadAddon, type NativeEngine } from "./native";
import type { Payload } from "./parser";
import { Commands } from "./records";

/** Crosses before the end of the tick: longer joined strings cost more than they save. */
const FLUSH_AT = 64 * 1024;
/** Attachments up to this are copied at the emit, larger ones cross at once: either way the caller may reuse its buffer. */
const COPY_UP_TO = 16 * 1024;

/** Starts an engine. @throws Error that says which option is wrong, or why there is no addon. @internal */
export function startEngine(options: string, wake: () => void): NativeEngine {
  const { Engine: Native } = loadAddon();
  return new Native(options, wake);
}

/** The commands of one engine, until they cross. @internal */
export abstract class Crossing {
  protected abstract native: NativeEngine | undefined;
  protected readonly commands = new Commands();
  /** A flush has been asked for in this tick. */
  protected dirty = false;

  /** A round is under way: it flushes at its end. */
  protected abstract get running(): boolean;

  /** Everything asked for so far crosses now. */
  flush(): void {
    this.dirty = false;
    const { commands } = this;
    if (commands.used === 0) return;
    const { text, cells, used, attachments } = commands;
    commands.clear();
    this.native?.submit(text, cells, used, attachments);
  }

  /** Appends a text and how many attachments belong to it: those follow by {@link emitted}. The caller has reserved. */
  protected payload(payload: Payload): void {
    const { commands } = this;
    commands.string(payload.text);
    commands.number(payload.attachments === undefined ? 0 : payload.attachments.length);
  }

  /** The attachments of the command that was appended last. */
  protected emitted(attachments: Uint8Array[] | undefined): void {
    if (attachments === undefined) return this.touch();
    let size = 0;
    for (const { byteLength } of attachments) size += byteLength;
    const large = size > COPY_UP_TO;
    for (const bytes of attachments) this.commands.bytes(large ? bytes : Buffer.from(bytes));
    this.touch();
    if (large) this.flush();
  }

  /** Appends messages, and gives the bytes among them: they are the attachments. The caller has reserved. */
  protected frames(data: readonly (string | Uint8Array)[]): Uint8Array[] | undefined {
    const { commands } = this;
    commands.number(data.length);
    let attachments: Uint8Array[] | undefined;
    for (const part of data) {
      if (typeof part === "string") {
        commands.string(part);
      } else {
        commands.number(-1);
        attachments ??= [];
        attachments.push(part);
      }
    }
    return attachments;
  }

  /** Commands are waiting: they cross at the end of the tick, or of the round that is under way. */
  protected touch(): void {
    if (!this.dirty) {
      this.dirty = true;
      if (!this.running) process.nextTick(this.flushTick);
    }
    this.flushIfLong();
  }

  protected flushIfLong(): void {
    if (this.commands.text.length >= FLUSH_AT || this.commands.used >= FLUSH_AT) this.flush();
  }

  private readonly flushTick = (): void => this.flush();
}
