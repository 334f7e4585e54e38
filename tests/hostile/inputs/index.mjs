// The numbered inputs, in their order. An input has a number, a sentence, and `run(attack)`, which throws if the server does
// not do what it must; or `elsewhere`, which says where else it is played, or why it is not.
import { inputs as abuse } from "./abuse.mjs";
import { inputs as framing } from "./framing.mjs";
import { inputs as http } from "./http.mjs";
import { inputs as packets } from "./packets.mjs";
import { inputs as sessions } from "./sessions.mjs";

export const INPUTS = [...http, ...framing, ...sessions, ...packets, ...abuse];
