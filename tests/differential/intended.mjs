import { isDeepStrictEqual } from "node:util";

// Where ferrio's parsers differ from npm's on purpose: a name and the reason of each, and how it is recognised. But for one row
// it is what ferrio refuses and npm takes: whatever both take must be equal.

const RULES = [
  {
    name: "an id above 2^53-1",
    why: "two ids must not be mistaken for one",
    covers: (_, __, ours) => ours.refused === "ack id too large",
  },
  {
    name: "an id with blanks or digits of JavaScript's taste, white space where a type belongs",
    why: "`Number(\" \")` is 0 for npm",
    covers: ([kind, [text]]) => kind === "sio" && (text === "" || /^[\s]/.test(text) || /^[0-6](\d+-)?(\/[^,]*,)?\d*\s/.test(text)),
  },
  {
    name: "a count of attachments that is not written in digits",
    why: "`1e0`, `0x1`, `+1` and ` 1` are for a JavaScript parser alone",
    covers: ([kind, [text]]) => kind === "sio" && /^[56]/.test(text) && !/^[56]\d+-/.test(text),
  },
  {
    name: "an answer without an id, an event without a name, an error without a value",
    why: "nobody can be meant by it; npm hands on `undefined`",
    covers: ([kind, [text]], theirs, ours) => kind === "sio" && (ours.refused === "missing ack id" || ([2, 3, 4].includes(theirs.type) && theirs.data === undefined) || (theirs.waits && /^[56]\d+-(\/[^,]*,?)?\d*$/.test(text))),
  },
  {
    name: "an error with an id",
    why: "an error of a server of Socket.IO 2 may be a number, which an id would swallow",
    covers: ([kind, [text]]) => kind === "sio" && /^4(\/[^,]*,)?\d/.test(text),
  },
  {
    name: "placeholders whose number is none of an attachment, or not whole",
    why: "npm hands on `undefined` for 0.5",
    covers: ([kind], _, ours) => kind === "sio" && ours.refused === "illegal attachments",
  },
  {
    name: "base64 that is none",
    why: "npm's Buffer skips what it does not know; what arrives is not what was sent",
    covers: ([kind, [text]], _, ours) => kind !== "sio" && typeof text === "string" && text.split("\x1e").some((packet) => packet[0] === "b") && (ours.refused === "bad base64" || ours.whole === false),
  },
];

// What ferrio takes and npm does not, or takes for something else.
const TAKEN = [
  {
    name: "an error that is any JSON value",
    why: "servers of Socket.IO 2 send what a middleware threw; only a client reads it",
    covers: ([kind, [text]], _, ours) => kind === "sio" && text[0] === "4" && ours.type === 4,
  },
  {
    name: "white space where an id belongs",
    why: "`Number(\" \")` is 0 for npm, which then sees an id; it is white space before JSON",
    covers: ([kind, [text]], theirs, ours) => kind === "sio" && /^[2356](\d+-)?(\/[^,]*,)?[ \t\n\r]/.test(text) && isDeepStrictEqual(theirs, { ...ours, id: 0 }),
  },
];

/** The name of the difference, or undefined. */
export function intended(question, theirs, ours) {
  if (theirs.refused !== undefined || (ours.refused === undefined && ours.whole !== false)) return named(TAKEN);
  return named(RULES);

  function named(rules) {
    return rules.find(({ covers }) => covers(question, theirs, ours))?.name;
  }
}
