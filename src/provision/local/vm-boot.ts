// How a local VM boots: its desktop, its SSH server and a real agent, in one process. Everything it needs is in its folder; it
// reaches the allocator only over HTTP.
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { AgentLog, AgentOptions } from '../../agent/options.ts';
import { createLablinkClient, type Schemas } from '../../client/client.ts';
import { listDescendants } from './descendants.ts';
import { writeSamples } from './samples.ts';
import { defaultSshLimits, startSshServer, type SshServer } from './ssh-server.ts';
import type { VmFile, VmPaths } from './vm-folder.ts';

export type Boot = {
  readonly vm: VmFile;
  readonly paths: VmPaths;
  /** Shared by all VMs. */
  readonly usedCodes: string;
  /** The environment of commands that run on the VM. */
  readonly environment: Readonly<Record<string, string>>;
  readonly log: AgentLog;
};

export type Stopping = {
  /** Aborted = end gracefully. */
  readonly signal: AbortSignal;
  /** Aborted = end at once. */
  readonly force: AbortSignal;
};

type Timings = Schemas['MetricsReport'];

const SIMULATOR = fileURLToPath(new URL('./start-host-simulator.ts', import.meta.url));
const EXEC_LIMIT_MS = 15 * 60_000;
/** Short, because listing the few processes of a VM is cheap and somebody who tries this waits for it. */
const IN_USE_MS = 2_000;
/** For a start-host that still runs at the stop. */
const AGENT_GRACE_MS = 2_000;
/** No other process reports a failed boot, so the report is tried again. */
const ERROR_REPORT_TRIES = 5;
const ERROR_REPORT_TIMEOUT_MS = 5_000;

/** Does what cloud-init does on a real VM: disk and SSH server. */
export async function prepareVm({ vm, paths, environment, log }: Boot): Promise<SshServer> {
  await mkdir(paths.agentState, { recursive: true });
  await createDesktop(paths, vm.hostname);
  const ssh = await startSshServer({
    folder: paths.folder,
    env: environment,
    execLimitMs: EXEC_LIMIT_MS,
    hostKey: vm.sshHostKey,
    user: vm.sshUser,
    authorizedKey: vm.authorizedKey,
    preferredPort: vm.sshPort,
    limits: defaultSshLimits,
  });
  log.info(`SSH listens on 127.0.0.1, port ${ssh.port}`);
  return ssh;
}

/** Only at the first boot: an empty desktop was emptied between participants. */
async function createDesktop({ desktop }: VmPaths, hostname: string): Promise<void> {
  const isThere = await stat(desktop).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const halfDone = `${desktop}.new`;
  await rm(halfDone, { recursive: true, force: true });
  await mkdir(halfDone, { recursive: true });
  await writeSamples(halfDone, hostname);
  await rename(halfDone, desktop);
}

/**
 * Runs the agent until the signal is aborted. If the agent gives up, the status of the VM becomes `error`, as with the boot
 * script; the VM keeps running, so that an admin can look at it over SSH.
 */
export async function runVmAgent(
  boot: Boot,
  cloudInit: Pick<Timings, 'cloud_init_start' | 'cloud_init_end'>,
  stopping: Stopping,
): Promise<void> {
  const containerStart = nowSeconds();
  const { runAgent } = await import('../../agent/run.ts');
  const { defaultIntervals } = await import('../../agent/options.ts');
  // Now, because this process may be killed before it exits: later VMs use its compiled code.
  flushCompileCache();
  const timings = { ...cloudInit, container_start_time: containerStart, container_end_time: nowSeconds() };
  const { vm, paths, log } = boot;
  const options: AgentOptions = {
    allocatorUrl: vm.allocatorUrl,
    hostname: vm.hostname,
    token: vm.token,
    software: vm.software,
    container: null,
    startHost: [process.execPath, SIMULATOR, vm.hostname, boot.usedCodes, paths.registration],
    folder: paths.desktop,
    logFiles: [paths.log],
    stateFolder: paths.agentState,
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

/** Does what the error trap of the boot script does. */
export async function reportError({ vm, log }: Boot, signal: AbortSignal): Promise<void> {
  const { allocatorUrl: baseUrl, token, hostname } = vm;
  const client = createLablinkClient({ baseUrl, token, userAgent: 'LabLink-Local-VM/1.0' });
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

/** Since the epoch. */
export function nowSeconds(): number {
  return Date.now() / 1000;
}
