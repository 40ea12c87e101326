// The machines of a run: some with the real agent, in processes that are killed; some as the published agents, which poll and
// never acknowledge.
import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createLablinkClient } from '../../src/client/client.ts';
import { sleep } from '../../src/async/abort.ts';
import { processMark } from './processes.ts';
import {
  LOG_FILE,
  logLine,
  RUNS_FILE,
  type FromHost,
  type MachineKind,
  type StartHostRun,
  type ToHost,
} from './host-protocol.ts';

const HOST_PROGRAM = join(import.meta.dirname, 'agent-host.ts');
const COMPILE_CACHE = join(import.meta.dirname, '../../.cache/compiled');
/** A published agent asks again after this, whatever the answer was. */
const PUBLISHED_AGAIN_MS = 700;
const PUBLISHED_REQUEST_MS = 2_500;
/** Longer than the space of a poll needs. */
const PUBLISHED_POLL_MS = 24_000;
const SHUT_DOWN_MS = 20_000;

export type Delivered = StartHostRun & { readonly hostname: string };

export type Machine = {
  readonly hostname: string;
  readonly kind: MachineKind;
  /** How often its agent was killed, stopped or rebooted: what it did then may be half done. */
  readonly interruptions: number;
  /** How many lines were written to its log. */
  readonly linesWritten: number;
  readonly writeLog: (lines: number) => Promise<void>;
  /** As logrotate does. Only a file that the agent has seen, and once in a run: it would miss one that was renamed twice while it is down. */
  readonly rotateLog: () => Promise<void>;
  readonly delivered: () => Promise<readonly Delivered[]>;
  /** The files in the agent's own folder. */
  readonly stateFiles: () => Promise<string[]>;
};

export type MachineHost = AsyncDisposable & {
  readonly machines: readonly Machine[];
  /** Boots all machines that are down. `reboot`: as after a power cut; otherwise their agents are started again. */
  readonly start: (options: { readonly reboot: boolean; readonly skewMs: number }) => void;
  /** Kills the process. */
  readonly kill: () => Promise<void>;
  /** Stops all agents, as systemd does. */
  readonly stop: () => Promise<void>;
  /** Why agents have ended by themselves. */
  readonly problems: readonly string[];
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

async function createMachine(kind: MachineKind, home: string, hostname: string): Promise<Mutable<Machine>> {
  await mkdir(join(home, 'Desktop'), { recursive: true });
  let isRotated = false;
  const machine: Mutable<Machine> = {
    hostname,
    kind,
    interruptions: 0,
    linesWritten: 0,
    writeLog: async (lines) => {
      const first = machine.linesWritten + 1;
      machine.linesWritten += lines;
      const text = Array.from({ length: lines }, (_, index) => `${logLine(hostname, first + index)}\n`).join(
        '',
      );
      await appendFile(join(home, LOG_FILE), text);
    },
    rotateLog: async () => {
      if (isRotated || !(await machine.stateFiles()).includes('logs.json')) return;
      isRotated = true;
      await rename(join(home, LOG_FILE), join(home, `${LOG_FILE}.1`)).catch(() => undefined);
    },
    delivered: async () => {
      const text = await readFile(join(home, RUNS_FILE), 'utf8').catch(() => '');
      const runs = text.split('\n').filter((line) => line !== '');
      return runs.map((line) => ({ hostname, ...(JSON.parse(line) as StartHostRun) }));
    },
    stateFiles: () => readdir(join(home, 'state')).catch(() => []),
  };
  return machine;
}

/** @param url of the balancer */
export async function createAgentHost(
  folder: string,
  url: string,
  hostnames: readonly string[],
): Promise<MachineHost> {
  const machines = await Promise.all(
    hostnames.map((hostname) => createMachine('agent', join(folder, hostname), hostname)),
  );
  const boots = new Map<string, string>();
  const problems: string[] = [];
  let child: ChildProcess | null = null;

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = child;
    child = null;
    if (!ending) return;
    for (const machine of machines) machine.interruptions += 1;
    ending.kill(signal);
    if (ending.exitCode !== null || ending.signalCode !== null) return;
    const ended = once(ending, 'exit');
    const isLate = await Promise.race([ended, delay(SHUT_DOWN_MS, 'late' as const, { ref: false })]);
    if (isLate !== 'late') return;
    problems.push(`the agents of ${hostnames.join(', ')} did not stop within ${SHUT_DOWN_MS / 1_000} s`);
    ending.kill('SIGKILL');
    await ended;
  }

  return {
    machines,
    problems,
    start: ({ reboot, skewMs }) => {
      if (child) return;
      const env = {
        PATH: process.env['PATH'],
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        ...processMark(folder, 'agents'),
      };
      const started = fork(HOST_PROGRAM, { env });
      child = started;
      started.on('message', ({ ended, problem }: FromHost) => {
        if (problem !== null) problems.push(`the agent of ${ended} has ended: ${problem}`);
      });
      started.on('exit', (code, signal) => {
        if (child === started)
          problems.push(`the process of ${hostnames.join(', ')} has ended by itself: ${signal ?? code}`);
      });
      for (const { hostname } of machines) {
        const bootId = (reboot ? undefined : boots.get(hostname)) ?? randomUUID();
        boots.set(hostname, bootId);
        started.send({
          boot: { hostname, home: join(folder, hostname) },
          url,
          bootId,
          skewMs,
        } satisfies ToHost);
      }
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    [Symbol.asyncDispose]: () => end('SIGKILL'),
  };
}

export type PublishedMachine = AsyncDisposable & {
  readonly machine: Machine;
  /** A power cut, and the boot after it. */
  readonly reboot: () => void;
};

/** What the published agents (0.0.3–0.1.2) do, which send no boot id and no acknowledgement. */
export async function startPublishedMachine(
  folder: string,
  url: string,
  hostname: string,
): Promise<PublishedMachine> {
  const home = join(folder, hostname);
  const machine = await createMachine('published', home, hostname);
  let power = new AbortController();
  let running = run(power.signal, randomUUID());

  async function run(off: AbortSignal, bootId: string): Promise<void> {
    const client = createLablinkClient({ baseUrl: url, userAgent: 'python-requests/2.32' });
    let isKnown = false;
    while (!off.aborted) {
      if (!isKnown) isKnown = await report(off);
      const signal = AbortSignal.any([off, AbortSignal.timeout(PUBLISHED_POLL_MS)]);
      const answer = await client.POST('/vm_startup', { body: { hostname }, signal }).catch(() => null);
      if (answer?.data) {
        const code = /--code="([^"]+)"/.exec(answer.data.command)?.[1] ?? '';
        const record: StartHostRun = { bootId, code, pin: answer.data.pin, command: '' };
        await appendFile(join(home, RUNS_FILE), `${JSON.stringify(record)}\n`);
      }
      if (answer?.response.status === 404) isKnown = false;
      await sleep(PUBLISHED_AGAIN_MS, off);
    }
  }

  async function report(off: AbortSignal): Promise<boolean> {
    const client = createLablinkClient({ baseUrl: url, userAgent: 'python-requests/2.32' });
    const signal = AbortSignal.any([off, AbortSignal.timeout(PUBLISHED_REQUEST_MS)]);
    const body = { hostname, status: 'running' as const };
    return client.POST('/api/vm-status', { body, signal }).then(
      ({ response }) => response.ok,
      () => false,
    );
  }

  return {
    machine,
    reboot: () => {
      power.abort();
      power = new AbortController();
      machine.interruptions += 1;
      const before = running;
      running = run(power.signal, randomUUID());
      running = Promise.all([before, running]).then(() => undefined);
    },
    [Symbol.asyncDispose]: async () => {
      power.abort();
      await running;
    },
  };
}
