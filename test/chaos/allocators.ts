// The allocators of a harness: real processes on one database, which are killed, stopped, frozen and started again.
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { startProgram, type Program } from '../support/program.ts';
import { processMark } from './processes.ts';
import type { Held, ToAllocator } from './preload.ts';

export const ADMIN = { user: 'admin', password: 'a password for chaos' } as const;
/** Of `DATABASE_POOL_SIZE`, and what an allocator has besides: listener, lock and queue (docs/operations.md). */
export const CONNECTIONS_MAX = 10 + 1 + 1 + 3;

const PRELOAD = pathToFileURL(join(import.meta.dirname, 'preload.ts')).href;
const MEASURE_MS = 20_000;
/** A minute: on a computer that has other work, Postgres takes long to stop and to recover. */
const START_ATTEMPTS = 120;
const START_AGAIN_MS = 500;

export type ChaosAllocator = {
  readonly name: string;
  /** Null while it is down. */
  readonly port: number | null;
  /** How often it was started. */
  readonly starts: number;
  readonly pid: number | null;
  /** Starts it, unless it runs. */
  readonly start: () => Promise<void>;
  readonly kill: () => Promise<void>;
  /** As an operator does. Throws if it does not end well. */
  readonly stop: () => Promise<void>;
  /** It stands still: its connections stay open, and nobody answers. */
  readonly freeze: (forMs: number) => Promise<void>;
  /** Its clock is wrong by this much from now on. */
  readonly skew: (ms: number) => void;
  readonly measure: () => Promise<Held>;
  /** Names of the files that it has made. */
  readonly files: () => Promise<string[]>;
  /** What it has printed since its last start. */
  readonly output: () => string;
};

export type AllocatorOptions = {
  readonly name: string;
  readonly folder: string;
  readonly databaseUrl: string;
};

export function createAllocator({ name, folder, databaseUrl }: AllocatorOptions): ChaosAllocator {
  const dataDir = join(folder, name);
  let program: Program | null = null;
  let port: number | null = null;
  let starts = 0;
  let questions = 0;
  /** Those that were told to end. */
  const asked = new WeakSet<Program>();

  /** Returns when it listens, or was ended meanwhile. Throws what it has printed if it has ended by itself. */
  async function startOnce(): Promise<void> {
    const variables = { ...environment(dataDir, databaseUrl), ...processMark(folder, name) };
    const started = startProgram(['serve'], variables, { ipc: true });
    program = started;
    starts += 1;
    void started.ended.then(() => {
      if (program === started) program = port = null;
    });
    try {
      const url = await started.url();
      if (program === started) port = Number(new URL(url).port);
    } catch (error) {
      if (!asked.has(started)) throw error;
    }
  }

  /** As systemd does: without Postgres a start fails, and is tried again. */
  async function start(): Promise<void> {
    for (let attempt = 1; program === null; attempt++) {
      try {
        await startOnce();
      } catch (error) {
        if (attempt === START_ATTEMPTS) throw error;
        await delay(START_AGAIN_MS);
        continue;
      }
      return;
    }
  }

  async function end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    const ending = program;
    program = null;
    port = null;
    if (!ending) return null;
    asked.add(ending);
    ending.child.kill(signal);
    return ending.ended;
  }

  const tell = (message: ToAllocator): void => {
    if (program?.child.connected === true) program.child.send(message);
  };

  return {
    name,
    get port() {
      return port;
    },
    get starts() {
      return starts;
    },
    get pid() {
      return program?.child.pid ?? null;
    },
    start,
    kill: async () => {
      await end('SIGKILL');
    },
    stop: async () => {
      const output = program?.output;
      const wasListening = port !== null;
      const code = await end('SIGTERM');
      if (wasListening && code !== 0)
        throw new Error(`The allocator ${name} ended with ${code}:\n${output?.() ?? ''}`);
    },
    freeze: async (forMs) => {
      const frozen = program?.child;
      frozen?.kill('SIGSTOP');
      await delay(forMs);
      frozen?.kill('SIGCONT');
    },
    skew: (skewMs) => tell({ skewMs }),
    measure: async () => {
      if (!program) throw new Error(`The allocator ${name} is not running.`);
      const number = ++questions;
      const { child } = program;
      tell({ measure: number });
      for (;;) {
        const [held] = (await once(child, 'message', { signal: AbortSignal.timeout(MEASURE_MS) })) as [Held];
        if (held.measure === number) return held;
      }
    },
    files: async () => (await readdir(dataDir, { recursive: true })).sort(),
    output: () => program?.output() ?? '',
  };
}

function environment(dataDir: string, databaseUrl: string): Record<string, string> {
  return {
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    SECRET_KEY: 'the secret of all allocators of this harness',
    ADMIN_PASSWORD: ADMIN.password,
    PROVIDER: 'external',
    LOG_LEVEL: 'error',
    REQUESTS_PER_MINUTE: '10000000',
    SHUTDOWN_GRACE_SECONDS: '3',
    NODE_OPTIONS: `--import=${PRELOAD} --max-semi-space-size=8`,
  };
}
