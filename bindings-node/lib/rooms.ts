/**
 * Rooms as the engine knows them: texts.
 *
 * In the original a room is a key of a `Map`, so the number 1 and the text "1" are two rooms. Programs do use numbers
 * (`socket.join(user.id)`); the engine gets a text for each that no text room has, and the host gives the value back.
 */

/** The name of a room. */
export type Room = string;

/** Before what follows is no text. */
const MARK = "\0";

/** Rooms that are neither text nor number. */
const OTHERS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["null", null],
  ["undefined", undefined],
  ["true", true],
  ["false", false],
]);

/** @throws TypeError for a value whose identity a text cannot carry. @internal */
export function encodeRoom(room: unknown): string {
  if (typeof room === "string") return room.startsWith(MARK) ? `${MARK}s${room}` : room;
  if (typeof room === "number") return `${MARK}n${room}`;
  if (typeof room === "bigint") return `${MARK}b${room}`;
  if (room === null || room === undefined || typeof room === "boolean") return `${MARK}o${room}`;
  throw new TypeError(`a room is a string or a number, not of type ${typeof room}`);
}

/** What {@link encodeRoom} made a text of. @internal */
export function decodeRoom(text: string): Room {
  if (!text.startsWith(MARK)) return text;
  const value = text.slice(2);
  // Typed as text, like the rooms of a program that does not mind its types.
  if (text[1] === "n") return Number(value) as unknown as Room;
  if (text[1] === "b") return BigInt(value) as unknown as Room;
  if (text[1] === "o") return OTHERS.get(value) as Room;
  return value;
}
