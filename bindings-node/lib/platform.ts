/** The machine we run on, by the name napi-rs gives it. */

/** File name of the addon for this machine: `ferrio.linux-x64-gnu.node`. */
export function addonName(): string {
  const { platform, arch } = process;
  if (platform === "linux") return `ferrio.linux-${arch}-${isMusl() ? "musl" : "gnu"}.node`;
  if (platform === "win32") return `ferrio.win32-${arch}-msvc.node`;
  return `ferrio.${platform}-${arch}.node`;
}

function isMusl(): boolean {
  const { report } = process as { report?: NodeJS.ProcessReport & { excludeNetwork?: boolean } };
  if (report === undefined) return false;
  const before = report.excludeNetwork;
  report.excludeNetwork = true; // else it asks the resolver about every connection
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  report.excludeNetwork = before as boolean;
  return header !== undefined && header.glibcVersionRuntime === undefined;
}
