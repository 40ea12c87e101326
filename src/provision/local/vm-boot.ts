// How a local VM boots: its desktop, its SSH server and a real agent. Several run in one process: everything that a VM needs is
// in its folder, and it reaches the allocator only over HTTP.
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { uptime } from 'node:os';
import { defaultIntervals, type AgentLog, type AgentOptions } from '../../agent/options.ts';
import { runProgram, type ProgramEnd, type ProgramSpec } from '../../agent/program.ts';
import { runAgent } from '../../agent/run.ts';
import { untilAborted } from '../../async/abort.ts';
import { createLablinkClient, type Schemas } from '../../client/client.ts';
import { listProcessTrees } from './descendants.ts';
import type { RunVm, Stopping } from './hosted-vms.ts';
import { vmEnvironment } from './host-protocol.ts';
import { writeSamples } from './samples.ts';
import { START_HOST, simulateStartHost } from './simulated-start-host.ts';
import { defaultSshLimits, startSshServer, type SshServer } from './ssh-server.ts';
import { readVmFile, vmPaths, type LocalPaths, type VmFile, type VmPaths } from './vm-folder.ts';
import { prepareLog } from './vm-log.ts';

type RunProgram = AgentOptions['dependencies']['runProgram'];
type Timings = Schemas['MetricsReport'];

type Boot = {
  readonly id: string;
  readonly vm: VmFile;
  readonly paths: VmPaths;
  readonly log: AgentLog;
  readonly stopping: Stopping;
  readonly runProgram: RunProgram;
};

const EXEC_LIMIT_MS = 15 * 60_000;
/** Short, because listing the few processes of a VM is cheap and somebody who tries this waits for it. */
const IN_USE_MS = 2_000;
/** For a start-host that still runs at the stop. */
const AGENT_GRACE_MS = 2_000;
/** Nobody else reports a failed boot, so the report is tried again. */
const ERROR_REPORT_TRIES = 5;
const ERROR_REPORT_TIMEOUT_MS = 3_000;
const NEVER = new AbortController().signal;

/** Runs VMs from their folders. */
export function createVmRunner(local: LocalPaths): RunVm {
  const runShared = shareRuns(defaultIntervals.gpuMs, vmEnvironment(local.host));
  return async (hostname, log, stopping, onReady) => {
    const startedAt = nowSeconds();
    const paths = vmPaths(`${local.root}/${hostname}`);
    const vm = await readVmFile(paths.vmFile);
    if (vm === undefined) return `${paths.vmFile} is missing or damaged.`;
    prepareLog(paths.log);
    log.info(`booting ${hostname}`);
    const simulated = { hostname, usedCodes: local.usedCodes, registration: paths.registration };
    const boot: Boot = {
      id: randomUUID(),
      vm,
      paths,
      log,
      stopping,
      // The agent runs nothing else than start-host and nvidia-smi.
      runProgram: (spec) =>
        spec.program === START_HOST ? simulateStartHost(spec, simulated) : runShared(spec),
    };
    const ssh = await prepareVm(boot);
    if (typeof ssh === 'string') return ssh;
    const over = new AbortController();
    const closed = whenAborted(AbortSignal.any([stopping.signal, over.signal])).then(() => ssh.close());
    try {
      onReady(ssh.port);
      await runVmAgent(boot, ssh, { cloud_init_start: startedAt, cloud_init_end: nowSeconds() });
      await whenAborted(stopping.signal);
    } finally {
      over.abort();
      await closed;
    }
    log.info('shut down');
    return undefined;
  };
}

/** The VMs share the GPU of the computer: one run of nvidia-smi answers all that ask within `keptMs`. */
function shareRuns(keptMs: number, environment: ProgramSpec['environment']): RunProgram {
  let last: { readonly startedMs: number; readonly end: Promise<ProgramEnd> } | undefined;
  return async (spec) => {
    const nowMs = performance.now();
    if (last === undefined || nowMs - last.startedMs >= keptMs)
      last = {
        startedMs: nowMs,
        end: runProgram({ ...spec, environment, stopSignal: NEVER, forceSignal: NEVER }),
      };
    const stop = AbortSignal.any([spec.stopSignal, spec.forceSignal]);
    return (await untilAborted(last.end, stop)) ?? { kind: 'stopped', output: '' };
  };
}

/** Does what cloud-init does on a real VM: disk and SSH server. Returns a sentence if the VM cannot boot. */
async function prepareVm(boot: Boot): Promise<SshServer | string> {
  const { vm, paths, log, stopping } = boot;
  try {
    await mkdir(paths.agentState, { recursive: true });
    await createDesktop(paths, vm.hostname);
    const ssh = await startSshServer({
      folder: paths.folder,
      env: vmEnvironment(paths.folder),
      execLimitMs: EXEC_LIMIT_MS,
      hostKey: vm.sshHostKey,
      user: vm.sshUser,
      authorizedKey: vm.authorizedKey,
      preferredPort: vm.sshPort,
      limits: defaultSshLimits,
    });
    log.info(`SSH listens on 127.0.0.1, port ${ssh.port}`);
    return ssh;
  } catch (error) {
    log.error(`booting failed: ${String(error)}`);
    await reportError(boot, AbortSignal.any([stopping.signal, AbortSignal.timeout(ERROR_REPORT_TIMEOUT_MS)]));
    return `Booting failed: ${error instanceof Error ? error.message : String(error)}.`;
  }
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
 * Runs the agent until the VM must stop. If the agent gives up, the status of the VM becomes `error`, as with the boot script;
 * the VM keeps running, so that an admin can look at it over SSH.
 */
async function runVmAgent(
  boot: Boot,
  ssh: SshServer,
  cloudInit: Pick<Timings, 'cloud_init_start' | 'cloud_init_end'>,
): Promise<void> {
  const { vm, paths, log, stopping, runProgram } = boot;
  const timings = { ...cloudInit, container_start_time: nowSeconds(), container_end_time: nowSeconds() };
  if (stopping.signal.aborted) return;
  const end = await runAgent({
    allocatorUrl: vm.allocatorUrl,
    hostname: vm.hostname,
    token: vm.token,
    software: vm.software,
    container: null,
    startHost: [START_HOST],
    folder: paths.desktop,
    logFiles: [paths.log],
    stateFolder: paths.agentState,
    bootId: boot.id,
    timings: () => Promise.resolve(withDurations(timings)),
    childEnvironment: vmEnvironment(paths.folder),
    intervals: { ...defaultIntervals, inUseMs: IN_USE_MS, stopGraceMs: AGENT_GRACE_MS },
    dependencies: {
      fetch: (request) => fetch(request),
      listProcesses: () => listProcessTrees(ssh.commands()),
      runProgram,
      log,
    },
    signal: stopping.signal,
    forceSignal: stopping.force,
  });
  if (end.ok) return;
  log.error(`the agent cannot go on: ${end.failure}`);
  await reportError(boot, stopping.signal);
}

/** Does what the error trap of the boot script does. */
async function reportError({ id, vm, log }: Boot, signal: AbortSignal): Promise<void> {
  const { allocatorUrl: baseUrl, token, hostname } = vm;
  const client = createLablinkClient({ baseUrl, token, userAgent: 'LabLink-Local-VM/1.0' });
  const uptimeMs = Math.round(uptime() * 1_000);
  for (let tries = 0; tries < ERROR_REPORT_TRIES && !signal.aborted; tries++) {
    try {
      const { response } = await client.POST('/api/vm-status', {
        body: { hostname, status: 'error', boot_id: id, uptime_ms: uptimeMs },
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

async function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

/** Since the epoch. */
function nowSeconds(): number {
  return Date.now() / 1000;
}
