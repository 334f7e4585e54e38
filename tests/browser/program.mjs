// One of the demo's programs, started on a free port and started again on the same one.
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { freePort } from "../harness/face.mjs";

export async function startProgram([program, ...args], env) {
  const port = await freePort();
  let child;
  const start = async () => {
    child = spawn(program, [...args, String(port)], { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "inherit"] });
    const mine = child;
    process.on("exit", () => mine.kill("SIGKILL"));
    for (const end = Date.now() + 20_000; !(await listens(port)); await new Promise((resolve) => setTimeout(resolve, 25))) {
      if (mine.exitCode !== null) throw new Error(`the program ended with ${mine.exitCode}`);
      if (Date.now() > end) throw new Error(`nothing listens on port ${port}`);
    }
  };
  await start();
  return {
    url: `http://127.0.0.1:${port}/`,
    restart: start,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      // A server that waits for its clients to leave is not what is tested here.
      const timer = setTimeout(() => child.kill("SIGKILL"), 2000);
      await ended;
      clearTimeout(timer);
    },
  };
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(!socket.destroy().connecting));
    socket.once("error", () => resolve(false));
  });
}
