// Shared by the tests of the embedded Postgres: folders, users, child processes, and the processes that are running.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client, type QueryResultRow } from 'pg';
import { afterAll, inject, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { parsePasswd } from '../../src/db/embedded/account.ts';
import { thisPlatform, type Platform } from '../../src/db/embedded/platform.ts';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import { findPostmaster } from '../../src/db/embedded/postmaster.ts';
import {
  startEmbeddedPostgres,
  type EmbeddedOptions,
  type EmbeddedPostgres,
} from '../../src/db/embedded/start.ts';
import type { Result } from '../../src/result.ts';
import './provided.ts';
import { makeTemporaryFolder, postgresIn } from './leftovers.ts';

export const isRoot = thisPlatform().uid === 0;
/** A user without privileges. */
export const ordinary = parsePasswd(isRoot ? readFileSync('/etc/passwd', 'utf8') : '').find(
  ({ name }) => name === 'nobody',
);

/** A folder that every user may pass through. After the test, no server may run in it, and it is removed. */
export async function temporaryFolder(): Promise<string> {
  const folder = await makeTemporaryFolder(inject('runPid'));
  onTestFinished(async () => {
    try {
      await vi.waitFor(() => {
        const left = postgresIn(folder);
        if (left.length > 0)
          throw new Error(`Still running: ${left.map(({ command }) => command).join('; ')}`);
      }, 10_000);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
  return folder;
}

let prepared: string | undefined;
afterAll(async () => {
  if (prepared !== undefined) await rm(dirname(prepared), { recursive: true });
});

/**
 * A data folder that an earlier allocator has used. It is created once per test file and then copied, because initdb takes
 * most of a test's time.
 */
export async function preparedData(): Promise<string> {
  const dataDir = join(await temporaryFolder(), 'data');
  prepared ??= await prepareData();
  const copied = spawnSync('cp', ['-a', prepared, dataDir]);
  if (copied.status !== 0) throw new Error(copied.stderr.toString());
  return dataDir;
}

async function prepareData(): Promise<string> {
  const folder = await makeTemporaryFolder(inject('runPid'));
  const started = await start(join(folder, 'data'));
  if (!started.ok) throw new Error(started.failure.message);
  await started.value.stop();
  return started.value.dataDir;
}

type StartOptions = Partial<Omit<EmbeddedOptions, 'platform'>> & { readonly platform?: Partial<Platform> };

/** Starts the server without fsync or log, and without using the system's folders. */
export function start(dataDir: string, options: StartOptions = {}): Promise<Result<EmbeddedPostgres>> {
  return startEmbeddedPostgres({
    dataDir,
    log: () => undefined,
    env: process.env,
    ...options,
    settings: { fsync: 'off', ...options.settings },
    platform: { ...thisPlatform(), systemDir: join(dataDir, 'never-used'), ...options.platform },
  });
}

/** Like `start`, but throws if it fails; the server is stopped at the end of the test. */
export async function startWell(dataDir: string, options: StartOptions = {}): Promise<EmbeddedPostgres> {
  const started = await start(dataDir, options);
  if (!started.ok) throw new Error(`${started.failure.message} ${started.failure.remedy}`);
  onTestFinished(() => started.value.stop());
  return started.value;
}

/** The error message and the remedy of a start that must be refused. */
export async function refusal(dataDir: string, options: StartOptions = {}): Promise<string> {
  const started = await start(dataDir, options);
  if (!started.ok) return `${started.failure.message} | ${started.failure.remedy}`;
  await started.value.stop();
  throw new Error('It started.');
}

/** Runs one statement on a new connection. */
export async function ask<Row extends QueryResultRow>(url: string, statement: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}

/** The process id of the server that runs on a data folder. */
export async function serverPid(dataDir: string): Promise<number> {
  const found = await findPostmaster(pathsIn(dataDir).cluster);
  if (found === undefined) throw new Error(`No server runs on ${dataDir}.`);
  return found.pid;
}

const lineSchema = z.object({
  ready: z
    .object({
      connectionString: z.string(),
      dataDir: z.string(),
      adopted: z.boolean(),
      notes: z.array(z.string()),
    })
    .optional(),
  refused: z.object({ message: z.string(), remedy: z.string() }).optional(),
  log: z.string().optional(),
  taken: z.boolean().optional(),
  signal: z.string().optional(),
  answer: z.number().optional(),
});

type ChildLine = z.infer<typeof lineSchema>;

export type Child = {
  readonly pid: number;
  /** The next line that is not a log line. */
  readonly next: () => Promise<ChildLine>;
  /** Sends a signal to the process alone. */
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Sends SIGINT to its whole process group, as Ctrl-C does. */
  readonly interrupt: () => void;
  readonly exited: Promise<unknown>;
};

/** Starts embedded-child.ts, optionally as another user. */
export function startChild(
  dataDir: string,
  options: { uid?: number; gid?: number; systemDir?: string; wrapper?: readonly string[] } = {},
): Child {
  const { systemDir = join(dataDir, 'never-used'), wrapper = [], ...user } = options;
  const program = join(import.meta.dirname, 'embedded-child.ts');
  const [file, ...args] = [...wrapper, process.execPath, program, dataDir, systemDir];
  const child = spawn(file, args, {
    // When this process ends, the child's standard input is closed, and then the child stops.
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    cwd: '/',
    ...user,
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error('The child did not start.');
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<ChildLine> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('The child has ended without another line.');
    const line = lineSchema.parse(JSON.parse(value));
    return line.log === undefined ? line : next();
  };
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exited;
  });
  return {
    pid,
    next,
    kill: (signal) => child.kill(signal),
    interrupt: () => process.kill(-pid, 'SIGINT'),
    exited,
  };
}
