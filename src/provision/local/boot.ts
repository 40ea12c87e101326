// How a local VM boots, and what it is then: its SSH server and a real agent, in one process. Told what it is by its
// folder alone; knows the allocator only over the wire.
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { AgentLog, AgentOptions } from '../../agent/options.ts';
import { createLablinkClient, type Schemas } from '../../client/client.ts';
import { listDescendants } from './descendants.ts';
import type { MachineFile } from './machine-file.ts';
import type { MachinePlaces } from './places.ts';
import { writeSamples } from './samples.ts';
import { defaultSshLimits, startSshServer, type SshServer } from './ssh-server.ts';

export type Boot = {
  readonly machine: MachineFile;
  readonly places: MachinePlaces;
  /** Shared by all machines. */
  readonly usedCodes: string;
  /** What is run on it finds this in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly log: AgentLog;
};

export type Stopping = {
  /** Aborted = end, in peace. */
  readonly signal: AbortSignal;
  /** Aborted = end at once. */
  readonly force: AbortSignal;
};

type Timings = Schemas['MetricsReport'];

const STAND_IN = fileURLToPath(new URL('./start-host-stand-in.ts', import.meta.url));
const EXEC_LIMIT_MS = 15 * 60_000;
/** A look at a machine's own few processes costs next to nothing, and people who try this wait for it. */
const IN_USE_MS = 2_000;
/** A start-host that runs when the machine is told to stop. */
const AGENT_GRACE_MS = 2_000;
/** The report of a failed boot is one that nobody else will make: it is tried again. */
const ERROR_REPORT_TRIES = 5;
const ERROR_REPORT_TIMEOUT_MS = 5_000;

/** What cloud-init does on a real machine: its disk and its SSH. Rejects where it cannot be had. */
export async function prepareMachine({ machine, places, environment, log }: Boot): Promise<SshServer> {
  await mkdir(places.agentState, { recursive: true });
  await makeDesktop(places, machine.hostname);
  const ssh = await startSshServer({
    folder: places.folder,
    env: environment,
    execLimitMs: EXEC_LIMIT_MS,
    hostKey: machine.sshHostKey,
    user: machine.sshUser,
    authorizedKey: machine.authorizedKey,
    preferredPort: machine.sshPort,
    limits: defaultSshLimits,
  });
  log.info(`SSH listens on 127.0.0.1, port ${ssh.port}`);
  return ssh;
}

/** Only at the first boot; a desktop that is empty was emptied. */
async function makeDesktop({ desktop }: MachinePlaces, hostname: string): Promise<void> {
  const isThere = await stat(desktop).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const halfMade = `${desktop}.new`;
  await rm(halfMade, { recursive: true, force: true });
  await mkdir(halfMade, { recursive: true });
  await writeSamples(halfMade, hostname);
  await rename(halfMade, desktop);
}

/**
 * Runs the agent until the machine is told to stop. An agent that gives up is what the boot script's error trap is for:
 * the machine's status becomes `error`, and it stays, so that somebody can look at it over SSH.
 */
export async function runMachineAgent(
  boot: Boot,
  cloudInit: Pick<Timings, 'cloud_init_start' | 'cloud_init_end'>,
  stopping: Stopping,
): Promise<void> {
  const containerStart = nowSeconds();
  const { runAgent } = await import('../../agent/run.ts');
  const { defaultIntervals } = await import('../../agent/options.ts');
  // So that later machines start from what this one has compiled; at its end it may be killed.
  flushCompileCache();
  const timings = { ...cloudInit, container_start_time: containerStart, container_end_time: nowSeconds() };
  const { machine, places, log } = boot;
  const options: AgentOptions = {
    allocatorUrl: machine.allocatorUrl,
    hostname: machine.hostname,
    token: machine.token,
    software: machine.software,
    container: null,
    startHost: [process.execPath, STAND_IN, machine.hostname, boot.usedCodes, places.registration],
    folder: places.desktop,
    logFiles: [places.log],
    stateFolder: places.agentState,
    bootId: randomUUID(),
    timings: () => Promise.resolve(withDurations(timings)),
    childEnvironment: boot.environment,
    intervals: { ...defaultIntervals, inUseMs: IN_USE_MS, stopGraceMs: AGENT_GRACE_MS },
    dependencies: {
      fetch: (request) => fetch(request),
      listProcesses: () => listDescendants(process.pid),
      log,
    },
    signal: stopping.signal,
    forceSignal: stopping.force,
  };
  if (stopping.signal.aborted) return;
  const end = await runAgent(options);
  if (end.ok) return;
  log.error(`the agent cannot go on: ${end.failure}`);
  await reportError(boot, stopping.signal);
}

/** The boot script's error trap. */
export async function reportError({ machine, log }: Boot, signal: AbortSignal): Promise<void> {
  const { allocatorUrl: baseUrl, token, hostname } = machine;
  const client = createLablinkClient({ baseUrl, token });
  for (let tries = 0; tries < ERROR_REPORT_TRIES && !signal.aborted; tries++) {
    try {
      const { response } = await client.POST('/api/vm-status', {
        body: { hostname, status: 'error' },
        signal: AbortSignal.any([signal, AbortSignal.timeout(ERROR_REPORT_TIMEOUT_MS)]),
      });
      log.info(`reported error (answered ${response.status})`);
      return;
    } catch (error) {
      log.warn(`the error could not be reported: ${String(error)}`);
    }
  }
}

function withDurations(known: Timings): Timings {
  const { cloud_init_start: start = 0, cloud_init_end: end = 0 } = known;
  const { container_start_time: containerStart = 0, container_end_time: containerEnd = 0 } = known;
  return {
    ...known,
    cloud_init_duration_seconds: Math.max(0, end - start),
    container_startup_duration_seconds: Math.max(0, containerEnd - containerStart),
  };
}

/** Since 1970-01-01 UTC. */
export function nowSeconds(): number {
  return Date.now() / 1000;
}
