/** The machine we run on, by the name napi-rs gives it. */

/** The name of this machine: `linux-x64-gnu`. */
export function platformName(): string {
  const { platform, arch } = process;
  if (platform === "linux") return `linux-${arch}-${isMusl() ? "musl" : "gnu"}`;
  if (platform === "win32") return `win32-${arch}-msvc`;
  return `${platform}-${arch}`;
}

/** File name of the addon for this machine: `ferrio.linux-x64-gnu.node`. */
export function addonName(): string {
  return `ferrio.${platformName()}.node`;
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
