// The process of one local VM: `node vm-main.ts --local-vm=<folder>`, started by the allocator with an IPC channel. Reports over
// it that it is ready; ends on a signal, or when the channel closes because the allocator died. Exit codes: 0 stopped, 1 failed.
import { dirname } from 'node:path';
import type { AgentLog } from '../../agent/options.ts';
import { endMarkedProcesses } from '../../process/end-marked.ts';
import { openProcessTable } from '../../process/process-table.ts';
import type { SshServer } from './ssh-server.ts';
import { nowSeconds, prepareVm, reportError, runVmAgent, type Boot } from './vm-boot.ts';
import { localPaths, readVmFile, vmPaths } from './vm-folder.ts';
import { LOCAL_VM_MARK, vmEnvironment, type VmMessage } from './vm-process.ts';

/** From the signal to forcing the agent to end. */
const GRACE_MS = 3_000;
/** The same if the allocator has died. */
const ORPHAN_GRACE_MS = 1_000;
/** From forcing to exiting. */
const FORCE_MS = 250;

const stop = new AbortController();
const force = new AbortController();

function endWithin(graceMs: number): void {
  stop.abort();
  setTimeout(() => {
    force.abort();
    setTimeout(() => void leave(0), FORCE_MS).unref();
  }, graceMs).unref();
}

process.on('SIGTERM', () => endWithin(GRACE_MS));
process.on('SIGINT', () => endWithin(GRACE_MS));
process.on('disconnect', () => endWithin(ORPHAN_GRACE_MS));
// The allocator may have died while this program was loaded.
if (!process.connected) endWithin(ORPHAN_GRACE_MS);
await leave(await main());

/** The allocator kills children that left the process group; if it has died, this process does. */
async function leave(exitCode: number): Promise<never> {
  const folder = ownFolder();
  if (!process.connected && folder !== undefined) {
    const table = await openProcessTable(LOCAL_VM_MARK);
    await endMarkedProcesses(table, dirname(folder), new Set([folder])).catch(() => undefined);
  }
  process.exit(exitCode);
}

async function main(): Promise<number> {
  const log = createLog();
  const startedAt = nowSeconds() - process.uptime();
  const boot = await readBoot(log);
  if (typeof boot === 'string') return fail(boot);
  log.info(`booting ${boot.vm.hostname}`);
  const ssh = await prepare(boot);
  if (typeof ssh === 'string') return fail(ssh);
  const closed = whenStopped().then(() => ssh.close());
  await send({ kind: 'ready', sshPort: ssh.port });
  const cloudInit = { cloud_init_start: startedAt, cloud_init_end: nowSeconds() };
  await runVmAgent(boot, cloudInit, { signal: stop.signal, force: force.signal });
  await closed;
  log.info('shut down');
  return 0;
}

/** Returns a sentence if the folder cannot be read. */
async function readBoot(log: AgentLog): Promise<Boot | string> {
  const folder = ownFolder();
  if (folder === undefined) return `The argument ${LOCAL_VM_MARK.argument}<folder> is missing.`;
  const paths = vmPaths(folder);
  const vm = await readVmFile(paths.vmFile);
  if (vm === undefined) return `${paths.vmFile} is missing or damaged.`;
  const { usedCodes, compileCache } = localPaths(dirname(dirname(folder)));
  return { vm, paths, usedCodes, environment: vmEnvironment(folder, compileCache), log };
}

/** Returns a sentence if the VM cannot boot. */
async function prepare(boot: Boot): Promise<SshServer | string> {
  try {
    return await prepareVm(boot);
  } catch (error) {
    boot.log.error(`booting failed: ${String(error)}`);
    await reportError(boot, AbortSignal.any([stop.signal, AbortSignal.timeout(GRACE_MS)]));
    return `Booting failed: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

function ownFolder(): string | undefined {
  return process.argv
    .find((arg) => arg.startsWith(LOCAL_VM_MARK.argument))
    ?.slice(LOCAL_VM_MARK.argument.length);
}

async function fail(reason: string): Promise<number> {
  process.stderr.write(`${reason}\n`);
  await send({ kind: 'failed', reason });
  return 1;
}

/** Sends nothing if the allocator has died. */
async function send(message: VmMessage): Promise<void> {
  await new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve(null);
    else process.send(message, undefined, undefined, resolve);
  });
}

async function whenStopped(): Promise<void> {
  if (stop.signal.aborted) return;
  await new Promise((resolve) => stop.signal.addEventListener('abort', resolve, { once: true }));
}

/** Standard output is the log file of the VM. */
function createLog(): AgentLog {
  const write = (level: string) => (message: string) => {
    process.stdout.write(`${new Date().toISOString()} ${level} ${message}\n`);
  };
  return { info: write('INFO'), warn: write('WARNING'), error: write('ERROR') };
}
