/** One batch of events, as it crossed: records, and the texts and bytes that they point to. */
import type { NativeEngine } from "./native";
import { restore } from "./parser";

/** A drain moves at most 256 events (`src/engine.rs`), none of which takes more than 30 cells. */
const CELLS = 8 * 1024;
/** Cells before the first record: where the records end, and whether more wait. */
const PREFIX = 2;

/** A batch that is read from front to back. @internal */
export class Batch {
  readonly cells = new Float64Array(CELLS);
  /** Where the next record begins. */
  at = 0;
  /** Where the records end. */
  end = 0;
  /** There may be more than this batch. */
  more = false;

  private text = "";
  private strings: string[] | undefined;
  private buffer: ArrayBuffer | undefined;

  /** Takes the next batch from the engine. */
  take(native: NativeEngine): void {
    const drained = native.drain(this.cells);
    if (typeof drained === "string") this.text = drained;
    else [this.text, this.strings, this.buffer] = drained;
    this.at = PREFIX;
    this.end = this.cells[0];
    this.more = this.cells[1] !== 0;
  }

  /** Forgets what the records pointed to. */
  clear(): void {
    this.text = "";
    this.strings = undefined;
    this.buffer = undefined;
  }

  /** The text at `at`. A slice: to be parsed, not to be kept, or it would keep the whole batch. */
  string(at: number): string {
    const offset = this.cells[at];
    const length = this.cells[at + 1];
    return length < 0 ? this.strings![offset] : this.text.slice(offset, offset + length);
  }

  /** The text at `at`, to be kept. */
  keptString(at: number): string {
    const text = this.string(at);
    // A concatenation that is sliced is written out first: the slice points to this copy and not to the batch.
    return this.cells[at + 1] < 0 ? text : ` ${text}`.slice(1);
  }

  /** JSON text and the attachments whose count is at `at`. Undefined if V8 reads JSON otherwise than the engine does. */
  values(text: string, at: number): any[] | undefined {
    let attachments: Buffer[] | undefined;
    if (this.cells[at] === 0) this.at = at + 1;
    else attachments = this.chunks(at);
    try {
      const values = JSON.parse(text);
      return attachments === undefined ? values : restore(values, attachments);
    } catch {
      return undefined;
    }
  }

  private chunks(at: number): Buffer[] {
    const chunks: Buffer[] = new Array(this.cells[at++]);
    for (let i = 0; i < chunks.length; i++, at += 2) chunks[i] = this.bytes(at);
    this.at = at;
    return chunks;
  }

  /** The bytes at `at`. */
  bytes(at: number): Buffer {
    if (this.cells[at + 1] === 0) return Buffer.alloc(0);
    const view = Buffer.from(this.buffer!, this.cells[at], this.cells[at + 1]);
    // A small piece that a handler keeps must not keep a large batch.
    return view.length * 4 < this.buffer!.byteLength && view.length < 4096 ? Buffer.from(view) : view;
  }
}
