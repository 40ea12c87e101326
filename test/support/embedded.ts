// What the tests of the embedded Postgres share: folders, users, child allocators, and a look at what runs.
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
/** Somebody who may do nothing in particular. */
export const ordinary = parsePasswd(isRoot ? readFileSync('/etc/passwd', 'utf8') : '').find(
  ({ name }) => name === 'nobody',
);

/** A folder that every user may pass through; afterwards nothing runs in it, and it is gone. */
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
 * A data folder that an earlier allocator has left: made once a test file, and copied, since initdb takes most of a
 * test's time.
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

/** A start as the tests want it: quick, quiet, and not touching the machine's own folders. */
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

/** As `start`, for tests in which it has to work; the server is stopped at the end of the test. */
export async function startWell(dataDir: string, options: StartOptions = {}): Promise<EmbeddedPostgres> {
  const started = await start(dataDir, options);
  if (!started.ok) throw new Error(`${started.failure.message} ${started.failure.remedy}`);
  onTestFinished(() => started.value.stop());
  return started.value;
}

/** The sentences of a start that has to be refused. */
export async function refusal(dataDir: string, options: StartOptions = {}): Promise<string> {
  const started = await start(dataDir, options);
  if (!started.ok) return `${started.failure.message} | ${started.failure.remedy}`;
  await started.value.stop();
  throw new Error('It started.');
}

/** One statement on a connection of its own. */
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

/** The process of the server that runs on a data folder. */
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
  /** The next line that is no log. */
  readonly next: () => Promise<ChildLine>;
  /** To the process alone. */
  readonly kill: (signal: NodeJS.Signals) => void;
  /** As Ctrl-C does: to everything in its process group. */
  readonly interrupt: () => void;
  readonly exited: Promise<unknown>;
};

/** Starts an allocator's database in a process of its own, perhaps as another user. */
export function startChild(
  dataDir: string,
  options: { uid?: number; gid?: number; systemDir?: string; wrapper?: readonly string[] } = {},
): Child {
  const { systemDir = join(dataDir, 'never-used'), wrapper = [], ...user } = options;
  const program = join(import.meta.dirname, 'embedded-child.ts');
  const [file, ...args] = [...wrapper, process.execPath, program, dataDir, systemDir];
  const child = spawn(file, args, {
    // Its standard input ends with us, and it with that.
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
    if (done === true) throw new Error('The child has ended without a word.');
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
