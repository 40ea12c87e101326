// The process that plays one machine: `node machine-main.ts --local-vm=<its folder>`, started by the allocator with an
// IPC channel. Says over that once that it is up, and ends when it is told to, or when the channel closes: then the
// allocator has died, and nothing of it shall live on. Exit codes: 0 told to end, 1 could not come up.
import { dirname } from 'node:path';
import type { AgentLog } from '../../agent/options.ts';
import { endMarkedProcesses } from '../../process/end-marked.ts';
import { openProcessTable } from '../../process/process-table.ts';
import { nowSeconds, prepareMachine, reportError, runMachineAgent, type Boot } from './boot.ts';
import { LOCAL_VM_MARK, machineEnvironment } from './machine-environment.ts';
import { readMachineFile } from './machine-file.ts';
import type { MachineMessage } from './machine-messages.ts';
import { localPlaces, machinePlaces } from './places.ts';
import type { SshServer } from './ssh-server.ts';

/** From being told to end to ending whatever is not done. */
const GRACE_MS = 3_000;
/** The same when the allocator has died: nobody waits for what is not done. */
const ORPHAN_GRACE_MS = 1_000;
/** From ending what is not done to going without it. */
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
// It may have died while we were being loaded, when nobody listened.
if (!process.connected) endWithin(ORPHAN_GRACE_MS);
await leave(await main());

/** What left our process group is ended by the allocator; where that has died, by us. */
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
  log.info(`booting ${boot.machine.hostname}`);
  const ssh = await prepare(boot);
  if (typeof ssh === 'string') return fail(ssh);
  const closed = whenStopped().then(() => ssh.close());
  await tell({ kind: 'ready', sshPort: ssh.port });
  const cloudInit = { cloud_init_start: startedAt, cloud_init_end: nowSeconds() };
  await runMachineAgent(boot, cloudInit, { signal: stop.signal, force: force.signal });
  await closed;
  log.info('shut down');
  return 0;
}

/** What the folder says, or why it says nothing: a sentence. */
async function readBoot(log: AgentLog): Promise<Boot | string> {
  const folder = ownFolder();
  if (folder === undefined) return `Say which machine this is: ${LOCAL_VM_MARK.argument}<folder>.`;
  const places = machinePlaces(folder);
  const machine = await readMachineFile(places.machineFile);
  if (machine === undefined) return `${places.machineFile} is missing or damaged.`;
  const { usedCodes, compileCache } = localPlaces(dirname(dirname(folder)));
  return { machine, places, usedCodes, environment: machineEnvironment(folder, compileCache), log };
}

/** The SSH server, or why there is none: a sentence. */
async function prepare(boot: Boot): Promise<SshServer | string> {
  try {
    return await prepareMachine(boot);
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
  await tell({ kind: 'failed', reason });
  return 1;
}

/** An allocator that has died meanwhile is told nothing. */
async function tell(message: MachineMessage): Promise<void> {
  await new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve(null);
    else process.send(message, undefined, undefined, resolve);
  });
}

async function whenStopped(): Promise<void> {
  if (stop.signal.aborted) return;
  await new Promise((resolve) => stop.signal.addEventListener('abort', resolve, { once: true }));
}

/** Standard output is the machine's log file. */
function createLog(): AgentLog {
  const write = (level: string) => (message: string) => {
    process.stdout.write(`${new Date().toISOString()} ${level} ${message}\n`);
  };
  return { info: write('INFO'), warn: write('WARNING'), error: write('ERROR') };
}
