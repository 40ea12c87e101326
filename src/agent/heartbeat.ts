// Reports that the machine is alive, and learns from the answer whether it must be reset.
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isAborted, sleep } from '../async/abort.ts';
import type { AgentContext } from './context.ts';
import type { Recycler } from './recycle.ts';
import { delayAfter } from './requests.ts';
import { describeFailure } from '../result.ts';

/** After this long without an answer the allocator may have marked the machine unreachable. */
const GAP_MS = 60_000;
const WHAT = 'heartbeat';

/** Runs until the agent stops. */
export async function sendHeartbeats(context: AgentContext, recycler: Recycler): Promise<void> {
  const { api, options, presence, stopping, errors } = context;
  const { intervals } = options;
  await presence.announced;
  let answeredMs = Date.now();
  let failures = 0;
  while (!stopping.aborted) {
    const free = await freeDiskBytes(options.folder);
    const body = { boot_id: options.bootId, ...(free !== null && { free_disk_bytes: free }) };
    const params = { path: { hostname: options.hostname } };
    const { completed } = recycler;
    const answer = await api.ask(
      (client, signal) => client.POST('/api/v1/vms/{hostname}/heartbeat', { params, body, signal }),
      stopping,
    );
    let delayMs = jittered(intervals.heartbeatMs);
    if (answer.ok) {
      errors.resolve(WHAT);
      if (Date.now() - answeredMs > GAP_MS) presence.reportAgain();
      answeredMs = Date.now();
      failures = 0;
      const { action, assignment_id: assignmentId, last_status: lastStatus = null } = answer.value;
      if (lastStatus !== null) presence.compare(lastStatus);
      // A request from before the last reset was fulfilled by it: the files may be the next participant's by now.
      if (action === 'recycle' && recycler.completed === completed) recycler.begin(assignmentId);
    } else if (!isAborted(stopping)) {
      errors.report(WHAT, describeFailure(answer.failure));
      if (answer.failure.code === 'unknown_vm') presence.reportAgain();
      delayMs = Math.max(delayMs, delayAfter(answer, failures++, intervals));
    }
    await sleep(delayMs, stopping);
  }
}

/** Within a tenth: machines that started together must not report together for ever. */
function jittered(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2);
}

/** Of the disk of the folder, or of the nearest parent that exists; null if that fails. */
async function freeDiskBytes(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    const parent = dirname(folder);
    return parent === folder ? null : freeDiskBytes(parent);
  }
}
