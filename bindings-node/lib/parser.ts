/**
 * Values to a payload and back: JSON text, with attachments in place of binary values.
 *
 * The engine never looks inside: it carries the text and the attachments, and hands them to the other end's parser.
 */

/** What one event or ack carries. */
export interface Payload {
  /** A JSON array. */
  text: string;
  /** What the placeholders in the text stand for, or undefined when there are none. */
  attachments: Uint8Array[] | undefined;
}

/** A binary value in the text: `num` counts the attachments. */
interface Placeholder {
  _placeholder: true;
  num: number;
}

/**
 * Encodes the arguments of an event or an ack as `JSON.stringify` would, binary values apart.
 *
 * @throws what `JSON.stringify` throws (a `BigInt`, a cycle) and what a `toJSON` of the value throws
 */
export function encode(values: unknown[]): Payload {
  if (!holdsBinary(values)) return { text: JSON.stringify(values), attachments: undefined };
  const attachments: Uint8Array[] = [];
  const text = JSON.stringify(extract(values, attachments));
  return { text, attachments };
}

/** Puts attachments back where their placeholders stand, in place: `values` come fresh out of `JSON.parse`. */
export function restore(values: any, attachments: Buffer[]): any {
  if (values === null || typeof values !== "object") return values;
  if (values._placeholder === true) return attachments[(values as Placeholder).num];
  for (const key of Object.keys(values)) values[key] = restore(values[key], attachments);
  return values;
}

/** Whether there is anything in `value` that JSON cannot carry. Most events hold none, so this is on every emit's way. */
function holdsBinary(value: any): boolean {
  return isObject(value) && objectHoldsBinary(value);
}

/** {@link holdsBinary} of an object. Most of what it holds is none, and is told here, without a call. */
function objectHoldsBinary(value: any): boolean {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      if (isObject(item) && objectHoldsBinary(item)) return true;
    }
    return false;
  }
  if (isBinary(value)) return true;
  // `toJSON` decides what is sent; its result is not asked again, as JSON.stringify does not either.
  if (typeof value.toJSON === "function") {
    const json = value.toJSON();
    return json !== value && holdsBinaryBelow(json);
  }
  return propertiesHoldBinary(value);
}

function propertiesHoldBinary(value: any): boolean {
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue;
    const item = value[key];
    if (isObject(item) && objectHoldsBinary(item)) return true;
  }
  return false;
}

/** {@link holdsBinary}, without asking `toJSON` of the value itself. */
function holdsBinaryBelow(value: any): boolean {
  if (!isObject(value) || Array.isArray(value) || isBinary(value)) return holdsBinary(value);
  return propertiesHoldBinary(value);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** A copy of `value` as far as needed, with placeholders where binary values were. */
function extract(value: any, attachments: Uint8Array[], asked = false): any {
  if (value === null || typeof value !== "object") return value;
  if (isBinary(value)) return { _placeholder: true, num: attachments.push(bytesOf(value)) - 1 } satisfies Placeholder;
  if (Array.isArray(value)) return value.map((item) => extract(item, attachments));
  if (!asked && typeof value.toJSON === "function") return extract(value.toJSON(), attachments, true);
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) setOwn(copy, key, extract(value[key], attachments));
  return copy;
}

/** `copy[key] = value`, also for the one key that would change the prototype instead. */
function setOwn(copy: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== "__proto__") copy[key] = value;
  else Object.defineProperty(copy, key, { value, enumerable: true, configurable: true, writable: true });
}

function isBinary(value: object): value is ArrayBuffer | ArrayBufferView {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

function bytesOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}
