// Starts the real allocator: its own process, with the embedded Postgres, listening on loopback only. PROFILE=<folder> makes
// it write a CPU profile to that folder when it ends.
import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import { findPostmaster } from '../../src/db/embedded/postmaster.ts';
import { connectionString } from '../../src/db/embedded/session.ts';
import type { Lifecycle } from '../../src/lifecycle.ts';
import { endChild, ending } from './child.ts';
import type { Folder } from './folder.ts';

export type Allocator = {
  readonly port: number;
  readonly pid: number;
  /** The connection string of its database; contains the password. */
  readonly connectionString: string;
  /** From the start of the process to the first 200 of /api/health. */
  readonly readySeconds: number;
  readonly stop: () => Promise<void>;
};

const ROOT = resolve(import.meta.dirname, '../..');
/** What runs: the checkout, or the bundle of `make bundle`. */
const PROGRAMS = { checkout: join(ROOT, 'src/main.ts'), installed: join(ROOT, 'dist/lablink/src/main.js') };
/** The same flags as in bin/lablink. */
const FLAGS = ['--max-semi-space-size=8', '--heap-growing-percent=60'];
const LISTENING = /listening on http:\/\/127\.0\.0\.1:(\d+)/;
const STOP_GRACE_MS = 35_000;
const HEALTH_POLL_MS = 5;

type Running = { readonly child: ChildProcess; readonly port: number; readonly readySeconds: number };

export type Program = keyof typeof PROGRAMS;
type Variables = Readonly<Record<string, string>>;

/** Starts it with this folder and these additional variables; resolves when it is ready. */
export async function acquireAllocator(
  lifecycle: Lifecycle,
  folder: Folder,
  variables: Variables = {},
  program: Program | { readonly path: string } = 'checkout',
): Promise<Allocator> {
  const running = await lifecycle.acquire(
    'allocator',
    () => launch(folder, variables, typeof program === 'string' ? PROGRAMS[program] : program.path),
    ({ child }, { force }) => endChild(child, { signal: 'SIGTERM', graceMs: STOP_GRACE_MS, force }),
  );
  const { child, port, readySeconds } = running;
  return {
    port,
    pid: child.pid!,
    readySeconds,
    connectionString: await databaseOf(folder),
    stop: () =>
      endChild(child, { signal: 'SIGTERM', graceMs: STOP_GRACE_MS, force: new AbortController().signal }),
  };
}

async function launch(folder: Folder, variables: Variables, program: string): Promise<Running> {
  const startedMs = performance.now();
  const output = openSync(join(folder.path, 'allocator.log'), 'a');
  const child = spawn(process.execPath, [...FLAGS, ...profiling(process.env['PROFILE']), program, 'serve'], {
    cwd: folder.path,
    env: { ...environment(folder), ...variables },
    stdio: ['ignore', output, 'pipe'],
    // In its own session: Ctrl-C in the terminal must reach only this process, which then stops the allocator.
    detached: true,
  });
  closeSync(output);
  try {
    const port = await listeningPort(child);
    await healthy(port);
    return { child, port, readySeconds: (performance.now() - startedMs) / 1_000 };
  } catch (error) {
    child.kill('SIGTERM');
    await ending(child);
    throw error;
  }
}

/** The default configuration, except for the limit of requests per minute. */
function environment({ dataDir }: Folder): NodeJS.ProcessEnv {
  const { PATH, HOME, LD_LIBRARY_PATH } = process.env;
  return {
    PATH,
    HOME,
    LD_LIBRARY_PATH,
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: dataDir,
    PROVIDER: 'external',
    REQUESTS_PER_MINUTE: '10000000',
  };
}

function profiling(folder: string | undefined): string[] {
  return folder === undefined || folder === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(folder)}`];
}

function listeningPort({ stderr }: ChildProcess): Promise<number> {
  const output: string[] = [];
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: stderr! });
    lines.on('line', (line) => {
      output.push(line);
      const port = LISTENING.exec(line)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    lines.on('close', () => reject(new Error(`The allocator did not start: ${output.join(' ')}`)));
  });
}

async function healthy(port: number): Promise<void> {
  for (;;) {
    const { status } = await fetch(`http://127.0.0.1:${port}/api/health`);
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, HEALTH_POLL_MS));
  }
}

async function databaseOf({ dataDir }: Folder): Promise<string> {
  const places = pathsIn(dataDir);
  const server = await findPostmaster(places.cluster);
  if (server?.port === undefined) throw new Error('The embedded Postgres is not running.');
  return connectionString({ port: server.port, password: (await readFile(places.password, 'utf8')).trim() });
}
