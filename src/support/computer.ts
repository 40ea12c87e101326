// What this computer is, and how much of it is left.
import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import {
  arch,
  availableParallelism,
  cpus,
  freemem,
  loadavg,
  release,
  totalmem,
  type,
  uptime,
  version,
} from 'node:os';
import { join } from 'node:path';

/** Of the folders in the data folder; a larger tree is not counted to its end. */
const FILES_COUNTED = 20_000;
/** Their names tell how Node, Postgres and the clients of clouds were set; their values may be secrets. */
const TELLING_VARIABLES = /^(?:NODE_|AWS_|PULUMI_|PG|LC_|SSL_)|^(?:TZ|LANG|NO_PROXY|HTTPS?_PROXY)$/i;
const RELEASE_FILE = '/etc/os-release';
const CGROUP_FILES = ['memory.max', 'memory.current', 'cpu.max', 'pids.max', 'memory.events'];

export async function describeComputer(env: Readonly<Record<string, string | undefined>>): Promise<object> {
  const osRelease = await readFile(RELEASE_FILE, 'utf8').catch(() => '');
  const [cpu] = cpus();
  return {
    system: { type: type(), release: release(), version: version(), arch: arch() },
    distribution: /^PRETTY_NAME="?([^"\n]*)/m.exec(osRelease)?.[1] ?? null,
    time: {
      now: new Date(),
      zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      up_seconds: Math.round(uptime()),
    },
    processors: { count: availableParallelism(), model: cpu?.model ?? null, load: loadavg() },
    memory: { total_bytes: totalmem(), free_bytes: freemem() },
    limits_of_the_control_group: Object.fromEntries(await Promise.all(CGROUP_FILES.map(readLimit))),
    user: process.getuid?.() ?? null,
    names_of_variables: Object.keys(env)
      .filter((name) => TELLING_VARIABLES.test(name))
      .sort(),
  };
}

async function readLimit(name: string): Promise<readonly [string, string | null]> {
  const text = await readFile(join('/sys/fs/cgroup', name), 'utf8').catch(() => null);
  return [name, text === null ? null : text.trim()];
}

/** The space of the disks of these folders; null: it cannot be read. */
export async function describeDisks(folders: Readonly<Record<string, string>>): Promise<object> {
  const entries = Object.entries(folders).map(async ([what, folder]) => {
    const found = await statfs(folder).catch(() => null);
    const space = found && {
      total_bytes: found.blocks * found.bsize,
      free_bytes: found.bavail * found.bsize,
      free_files: found.ffree,
    };
    return [what, { folder, space }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** What is in the data folder and how large it is; no content. */
export async function describeFolder(folder: string): Promise<object[]> {
  const names = (await readdir(folder)).sort();
  return Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const found = await stat(path).catch(() => null);
      if (found === null) return { name, readable: false };
      const mode = (found.mode & 0o7777).toString(8);
      const common = { name, mode, owner: found.uid, changed_at: found.mtime };
      if (!found.isDirectory()) return { ...common, bytes: found.size };
      return { ...common, ...(await sizeOf(path, { left: FILES_COUNTED })) };
    }),
  );
}

type Size = { readonly bytes: number; readonly files: number; readonly is_complete: boolean };

/** Files that go meanwhile and folders of others count as nothing. */
async function sizeOf(folder: string, budget: { left: number }): Promise<Size> {
  let bytes = 0;
  let files = 0;
  let isComplete = true;
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => null);
  if (entries === null) return { bytes, files, is_complete: false };
  for (const entry of entries) {
    if (budget.left-- <= 0) return { bytes, files, is_complete: false };
    const path = join(folder, entry.name);
    const inside = entry.isDirectory() ? await sizeOf(path, budget) : null;
    if (inside !== null) isComplete &&= inside.is_complete;
    bytes +=
      inside?.bytes ??
      (await stat(path).then(
        ({ size }) => size,
        () => 0,
      ));
    files += inside?.files ?? 1;
  }
  return { bytes, files, is_complete: isComplete };
}
