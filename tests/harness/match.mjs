// What a scenario expects against what came. `{{name}}` in an expected text stands for anything the first time and is
// remembered; from then on it stands for that. `{{_}}` always stands for anything.
import { inspect } from "node:util";

const PLACE = /\{\{([a-z_][\w.-]*)\}\}/gi;

/** Puts what is remembered into `text`. */
export function fill(text, vars) {
  return text.replace(PLACE, (place, name) => (name in vars ? String(vars[name]) : place));
}

/** Bytes or text from the ways a scenario has to write data: text, {binary: hex}, {before, text, times, after}. */
export function data(spec, vars) {
  if (typeof spec === "string") return fill(spec, vars);
  if (spec.binary !== undefined) return Buffer.from(String(spec.binary).replaceAll(" ", ""), "hex");
  if (spec.bytes !== undefined) return Buffer.alloc(spec.bytes, spec.of ?? 0);
  return fill(spec.before ?? "", vars) + fill(spec.text, vars).repeat(spec.times ?? 1) + fill(spec.after ?? "", vars);
}

/** Throws, saying how they differ, unless `actual` is what `expected` describes. */
export function match(expected, actual, vars, what = "it") {
  const problem = differ(expected, actual, vars);
  if (problem) throw new Error(`${what}: ${problem}`);
}

function differ(expected, actual, vars) {
  if (expected === null || typeof expected === "number" || typeof expected === "boolean") {
    return expected === actual ? null : `expected ${expected}, got ${show(actual)}`;
  }
  if (typeof expected === "string") return differText(expected, actual, vars);
  if (Array.isArray(expected)) return differList(expected, actual, vars);
  if (expected.oneOf) return differChoice(expected.oneOf, actual, vars);
  if (expected.regex) return new RegExp(expected.regex, "s").test(textOf(actual)) ? null : `expected /${expected.regex}/, got ${show(actual)}`;
  if (expected["same as"] !== undefined) return differJson({ ...expected, json: JSON.parse(expected["same as"]) }, actual, vars);
  if (expected.json !== undefined) return differJson(expected, actual, vars);
  if (expected.binary !== undefined || expected.bytes !== undefined) {
    const bytes = data(expected, vars);
    return Buffer.isBuffer(actual) && bytes.equals(actual) ? null : `expected bytes ${show(bytes)}, got ${show(actual)}`;
  }
  if (expected.text !== undefined) return data(expected, vars) === textOf(actual) ? null : `expected the long text, got ${show(actual)}`;
  return differObject(expected, actual, vars);
}

function differText(expected, actual, vars) {
  if (typeof actual !== "string" && !Buffer.isBuffer(actual)) return `expected ${show(expected)}, got ${show(actual)}`;
  const names = [];
  const source = expected.split(PLACE).map((part, i) => {
    if (i % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    if (part === "_") return "[\\s\\S]*";
    if (part in vars) return String(vars[part]).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    if (names.includes(part)) return `\\${names.indexOf(part) + 1}`;
    names.push(part);
    return "([\\s\\S]+?)";
  });
  const found = new RegExp(`^${source.join("")}$`).exec(textOf(actual));
  if (!found) return `expected ${show(fill(expected, vars))}, got ${show(actual)}`;
  names.forEach((name, i) => (vars[name] = found[i + 1]));
  return null;
}

function differList(expected, actual, vars) {
  if (!Array.isArray(actual) || actual.length !== expected.length) return `expected ${show(expected)}, got ${show(actual)}`;
  for (let i = 0; i < expected.length; i++) {
    const problem = differ(expected[i], actual[i], vars);
    if (problem) return problem;
  }
  return null;
}

function differObject(expected, actual, vars) {
  if (typeof actual !== "object" || actual === null) return `expected ${show(expected)}, got ${show(actual)}`;
  const extra = Object.keys(actual).find((key) => !(key in expected));
  if (extra) return `expected no ${extra} in ${show(actual)}`;
  for (const [key, value] of Object.entries(expected)) {
    const problem = differ(value, actual[key], vars);
    if (problem) return `${key}: ${problem}`;
  }
  return null;
}

function differChoice(choices, actual, vars) {
  const problems = choices.map((choice) => differ(choice, actual, vars));
  return problems.includes(null) ? null : problems.join("; or ");
}

/** A text that is `after`, then JSON whose value is `json`; the order of keys does not matter. */
function differJson({ after = "", json }, actual, vars) {
  const text = textOf(actual);
  const prefix = fill(after, vars);
  if (!text.startsWith(prefix)) return `expected it to start with ${show(prefix)}, got ${show(actual)}`;
  try {
    return differ(json, JSON.parse(text.slice(prefix.length)), vars);
  } catch {
    return `expected JSON after ${show(prefix)}, got ${show(actual)}`;
  }
}

const textOf = (actual) => (Buffer.isBuffer(actual) ? actual.toString() : String(actual));

export function show(value) {
  const text = Buffer.isBuffer(value) ? `<${value.toString("hex").slice(0, 80)}>` : typeof value === "string" ? JSON.stringify(value) : inspect(value, { depth: 6, breakLength: Infinity });
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length})` : text;
}
