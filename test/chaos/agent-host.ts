// A process of several machines: runs the real agent of each. Killing it is a power cut for all of them.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { defaultIntervals, type AgentIntervals } from '../../src/agent/options.ts';
import type { ProgramEnd, ProgramSpec } from '../../src/agent/program.ts';
import { runAgent } from '../../src/agent/run.ts';
import { LOG_FILE, RUNS_FILE, type FromHost, type StartHostRun, type ToHost } from './host-protocol.ts';

/** What the agent logs when it has received a command. */
const RECEIVED = /^received command (\d+ of assignment \S+)/;

/** Time passes faster here than in a lab, except between two spaces of a poll, which come every 20 seconds. */
const INTERVALS: AgentIntervals = {
  ...defaultIntervals,
  heartbeatMs: 400,
  readinessMs: 500,
  gpuMs: 60_000,
  inUseMs: 1_000,
  logsMs: 50,
  partialLineMs: 500,
  pollIdleMs: 24_000,
  requestMs: 3_000,
  backoffFirstMs: 50,
  backoffMaxMs: 800,
  refusedMs: 500,
  startHostMs: 5_000,
  stopGraceMs: 1_500,
  recycleRetryMs: 300,
};
const RETRY_AFTER_MAX_SECONDS = 1;
const START_HOST_MS = 60;

/** The machines of a process have one clock: that of the last boot. */
let skewMs = 0;
const realNow = Date.now;
Date.now = () => realNow() + skewMs;
const running = new Map<string, AbortController>();
let isStopping = false;

async function boot({ boot: { hostname, home }, url, bootId }: Extract<ToHost, { boot: unknown }>) {
  const stop = new AbortController();
  running.set(hostname, stop);
  let received = '';
  const end = await runAgent({
    allocatorUrl: url,
    hostname,
    token: null,
    software: 'no process has this name',
    startHost: ['start-host'],
    container: null,
    folder: join(home, 'Desktop'),
    logFiles: [join(home, LOG_FILE)],
    stateFolder: join(home, 'state'),
    bootId,
    timings: () => Promise.resolve({ container_start: Math.floor(realNow() / 1_000) }),
    childEnvironment: {},
    intervals: INTERVALS,
    dependencies: {
      fetch: (request) => fetch(request).then(withShortRetryAfter),
      listProcesses: () => Promise.resolve([]),
      runProgram: (spec) => runProgram(spec, home, { bootId, command: received }),
      log: {
        info: (message) => (received = RECEIVED.exec(message)?.[1] ?? received),
        warn: () => undefined,
        error: () => undefined,
      },
    },
    signal: stop.signal,
    forceSignal: new AbortController().signal,
  });
  running.delete(hostname);
  process.send?.({ ended: hostname, problem: end.ok ? null : end.failure } satisfies FromHost);
}

/** The one program that a machine has is start-host. It records that it ran before it ends, as a registration does. */
async function runProgram(
  { program, args, input, stopSignal }: ProgramSpec,
  home: string,
  known: Pick<StartHostRun, 'bootId' | 'command'>,
): Promise<ProgramEnd> {
  if (program !== 'start-host')
    return { kind: 'not_started', missing: true, reason: 'there is no such program' };
  const code = args.find((argument) => argument.startsWith('--code='))?.slice('--code='.length) ?? '';
  const [pin = ''] = input.split('\n');
  const run: StartHostRun = { ...known, code, pin };
  appendFileSync(join(home, RUNS_FILE), `${JSON.stringify(run)}\n`);
  await delay(START_HOST_MS, undefined, { signal: stopSignal }).catch(() => undefined);
  return stopSignal.aborted ? { kind: 'stopped', output: '' } : { kind: 'exited', code: 0, output: '' };
}

/** As the other intervals, shorter than in a lab. */
function withShortRetryAfter(response: Response): Response {
  if (!response.headers.has('Retry-After')) return response;
  const headers = new Headers(response.headers);
  headers.set('Retry-After', String(RETRY_AFTER_MAX_SECONDS));
  return new Response(response.body, { status: response.status, headers });
}

process.on('message', (message: ToHost) => {
  if ('shutDown' in message) running.get(message.shutDown)?.abort();
  else if (!isStopping) {
    skewMs = message.skewMs;
    void boot(message);
  }
});
// The harness has ended: no machine may stay.
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => {
  isStopping = true;
  for (const stop of running.values()) stop.abort();
  setInterval(() => running.size === 0 && process.exit(0), 20);
});
