/** Ids that nobody can guess. */
import { randomBytes } from "node:crypto";

/** 20 characters of `A-Z a-z 0-9 _ -`: `@socket.io/sticky` looks for just those. @internal */
export function randomId(): string {
  return randomBytes(15).toString("base64url");
}
