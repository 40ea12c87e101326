// What the allocator and the process of its local VMs tell each other over IPC, and the mark of that process.
import * as z from 'zod';
import type { ProcessMark } from '../../process/process-table.ts';

/**
 * Carried by the process of the local VMs and by the processes that run on them; its value is the folder of the VM, or
 * `LocalPaths.host` for the process itself.
 */
export const LOCAL_VM_MARK: ProcessMark = { variable: 'LABLINK_LOCAL_VM', argument: '--local-vm=' };

/** Each VM that was started is answered with `ended` once, whether or not it was asked to end. */
export const orderSchema = z.object({
  /** `stop`: end gracefully; `kill`: end at once. */
  kind: z.enum(['start', 'stop', 'kill']),
  hostname: z.string(),
});
export type Order = Readonly<z.output<typeof orderSchema>>;

const hostname = z.string();
export const newsSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), hostname, sshPort: z.number() }),
  /** The VM cannot go on, and is ending. `reason` is a sentence. */
  z.object({ kind: z.literal('failed'), hostname, reason: z.string() }),
  /** Nothing of the VM is left in the process. `how` is a few words. */
  z.object({ kind: z.literal('ended'), hostname, how: z.string() }),
]);
export type News = Readonly<z.output<typeof newsSchema>>;

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin';

/** The whole environment of what runs on a VM: nothing of the allocator's. `folder` must have no links. */
export function vmEnvironment(folder: string): Record<string, string> {
  return { PATH, HOME: folder, LANG: 'C.UTF-8', [LOCAL_VM_MARK.variable]: folder };
}
