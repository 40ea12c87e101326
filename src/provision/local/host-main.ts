// The process of all local VMs of an allocator: `node host-main.ts --local-vm=<folder>`, started by it with an IPC channel. Ends on a
// signal, or when the channel closes because no VM is left or the allocator has died. Exit codes: 0 stopped, 1 failed.
import { flushCompileCache } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endMarkedProcesses } from '../../process/end-marked.ts';
import { openProcessTable } from '../../process/process-table.ts';
import { createHostedVms } from './hosted-vms.ts';
import { LOCAL_VM_MARK, orderSchema } from './host-protocol.ts';
import { createVmRunner } from './vm-boot.ts';
import { localPaths, vmPaths } from './vm-folder.ts';
import { openVmLog } from './vm-log.ts';

/** From a signal to forcing the VMs to end. */
const GRACE_MS = 3_000;
/** The same if the allocator has died. */
const ORPHAN_GRACE_MS = 1_000;
/** From forcing to exiting. */
const FORCE_MS = 250;
const EXIT_FAILED = 1;

const folder = process.argv.at(-1)?.slice(LOCAL_VM_MARK.argument.length) ?? '';
const root = dirname(folder);
const paths = localPaths(dirname(root));
const vms = createHostedVms({
  run: createVmRunner(paths),
  openLog: (hostname) => openVmLog(vmPaths(join(root, hostname)).log),
  send: (news) => {
    if (process.connected) process.send?.(news, undefined, undefined, () => undefined);
  },
});

process.on('uncaughtException', (error: unknown) => {
  if (vms.onUncaught(error)) return;
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(EXIT_FAILED);
});
process.on('message', (message) => vms.obey(orderSchema.parse(message)));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void leave(GRACE_MS));
process.on('disconnect', () => void leave(ORPHAN_GRACE_MS));
// The allocator may have died while this program was loaded.
if (!process.connected) void leave(0);
// Now, because this process may be killed before it exits: later ones use its compiled code.
flushCompileCache();

/** The allocator kills what is left on its VMs; if it has died, this process does. */
async function leave(graceMs: number): Promise<never> {
  const folders = new Set(vms.hostnames().map((hostname) => join(root, hostname)));
  await Promise.race([vms.endAll(graceMs), delay(graceMs + FORCE_MS)]);
  if (!process.connected && folders.size > 0) {
    const table = await openProcessTable(LOCAL_VM_MARK);
    await endMarkedProcesses(table, root, folders).catch(() => undefined);
  }
  process.exit(0);
}
