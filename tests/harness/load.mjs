// Reads scenario files and makes of each the list of scenarios for one face: `each` is multiplied out, of every choice
// between dialects one branch is left, and what is `only` for others goes.
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parse } from "yaml";

export function loadScenarios(folder, face) {
  const files = readdirSync(folder).filter((name) => name.endsWith(".yaml")).sort();
  return files.flatMap((name) => loadFile(join(folder, name), basename(folder), face));
}

function loadFile(path, folder, face) {
  const topic = `${folder}/${basename(path, ".yaml")}`;
  const document = parse(readFileSync(path, "utf8"));
  const { server = "calm", bystander = false, define = {}, only } = document;
  return document.scenarios
    .flatMap(multiply)
    .map((one) => choose({ only, ...one }, face))
    .filter(Boolean)
    .map((one) => ({ topic, server, bystander, define: choose(define, face), ...one }));
}

/** One scenario for each value in `each`: a list gives `{{it}}` or its items' keys, a map of lists all combinations. */
function multiply({ each, ...scenario }) {
  if (each === undefined) return [scenario];
  const sets = Array.isArray(each)
    ? each.map((item) => (typeof item === "object" && item !== null && !Array.isArray(item) ? item : { it: item }))
    : Object.entries(each).reduce((all, [key, values]) => all.flatMap((one) => values.map((value) => ({ ...one, [key]: value }))), [{}]);
  return sets.map((set) => {
    const one = replace(scenario, set);
    const mentioned = Object.keys(set).some((key) => scenario.name.includes(`{{${key}}}`));
    return mentioned ? one : { ...one, name: `${one.name} (${set.what ?? Object.values(set).map(label).join(", ")})` };
  });
}

function replace(node, set) {
  if (typeof node === "string") {
    const whole = /^\{\{(\w+)\}\}$/.exec(node);
    if (whole && whole[1] in set) return set[whole[1]];
    return node.replace(/\{\{(\w+)\}\}/g, (place, key) => (key in set ? label(set[key]) : place));
  }
  if (Array.isArray(node)) return node.map((item) => replace(item, set));
  if (typeof node === "object" && node !== null) return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, replace(value, set)]));
  return node;
}

const label = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** The keys of a choice that apply to `face`, the closest first. */
function names({ name, dialect, original }) {
  const kind = original ? "original" : "ferrio";
  return [name, `${kind}-${dialect}`, kind, dialect, "default"];
}

const CHOICES = new Set(["python-native", "original-node", "original-python", "ferrio-node", "ferrio-python", "original", "ferrio", "node", "python", "default"]);

function choose(node, face) {
  if (Array.isArray(node)) return node.map((item) => choose(item, face)).filter((item) => item !== undefined);
  if (typeof node !== "object" || node === null) return node;
  const keys = Object.keys(node);
  if (keys.length > 0 && keys.every((key) => CHOICES.has(key))) {
    const name = names(face).find((candidate) => candidate in node);
    return name === undefined ? undefined : choose(node[name], face);
  }
  if (node.only !== undefined && ![node.only].flat().some((name) => names(face).includes(name))) return undefined;
  return Object.fromEntries(keys.map((key) => [key, choose(node[key], face)]).filter(([, value]) => value !== undefined));
}
