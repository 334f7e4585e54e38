// What a server consists of at one moment, and whether it grows.
import { readdirSync, readFileSync } from "node:fs";

const MIB = 1 << 20;

/** Reads a server's vitals: `ask` is an ack away from the program, the rest is the kernel's. */
export async function vitals(server, keeper) {
  // The program collects its garbage to answer, so memory is read afterwards.
  const [{ connections, tasks, heap }] = await keeper.ask("vitals");
  return { connections: connections - 1, tasks, heap, memory: memory(server.pid), descriptors: readdirSync(`/proc/${server.pid}/fd`).length, cpu: cpu(server.pid) };
}

/** Bytes that are the process's own. */
function memory(pid) {
  const lines = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").split("\n");
  return lines.filter((line) => line.startsWith("Private_")).reduce((sum, line) => sum + Number(/\d+/.exec(line)[0]) * 1024, 0);
}

/** Seconds of processor time. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/**
 * MiB an hour by which `key` grows over `samples` of `{at: ms, …}`.
 *
 * Load makes peaks, a leak lifts the floor: so the time is cut into twenty pieces, of each the least is taken, and the slope is
 * the median of the slopes between any two of them, which no single piece can bend.
 */
export function slope(samples, key) {
  const floors = pieces(samples, 20).map((piece) => piece.reduce((least, one) => (one[key] < least[key] ? one : least)));
  const slopes = floors.flatMap((one, i) => floors.slice(i + 1).map((other) => (other[key] - one[key]) / (other.at - one.at)));
  slopes.sort((a, b) => a - b);
  const median = slopes.length === 0 ? 0 : slopes[slopes.length >> 1];
  return (median * 3_600_000) / MIB;
}

function pieces(list, count) {
  const size = Math.ceil(list.length / count);
  return Array.from({ length: Math.ceil(list.length / size) || 0 }, (_, n) => list.slice(n * size, (n + 1) * size));
}
