// Tells that the machine is alive, and hears what it is to do.
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AgentParts } from './parts.ts';
import type { Recycler } from './recycle.ts';
import { delayAfter, isUnknownVm, sentenceOf } from './retry.ts';
import { isAborted } from './turn.ts';

/** After so long without an answer the allocator may have thought the machine lost. */
const GAP_MS = 60_000;
const WHAT = 'heartbeat';

/** Runs until the agent stops. */
export async function sendHeartbeats(parts: AgentParts, recycler: Recycler): Promise<void> {
  const { options, presence, stopping, troubles } = parts;
  const { clock } = options.world;
  await presence.announced;
  let answeredAt = clock.now();
  let failures = 0;
  while (!stopping.aborted) {
    const free = await freeDiskBytes(options.folder);
    const body = { boot_id: options.bootId, ...(free !== null && { free_disk_bytes: free }) };
    const params = { path: { hostname: options.hostname } };
    const recyclingsBefore = recycler.ended;
    const answer = await parts.api.ask(
      (client, signal) => client.POST('/api/v1/vms/{hostname}/heartbeat', { params, body, signal }),
      stopping,
    );
    let delay = jittered(options.intervals.heartbeatMs, parts.random());
    if (answer.kind === 'ok') {
      troubles.over(WHAT);
      if (clock.now() - answeredAt > GAP_MS) presence.tellAgain();
      answeredAt = clock.now();
      failures = 0;
      const { action, assignment_id: assignmentId } = answer.data;
      // What was asked for before a recycling ended was seen to by it: the folder may be somebody else's by now.
      if (action === 'recycle' && recycler.ended === recyclingsBefore) recycler.begin(assignmentId);
    } else if (!isAborted(stopping)) {
      troubles.tell(WHAT, sentenceOf(answer));
      if (isUnknownVm(answer)) presence.tellAgain();
      delay = Math.max(delay, delayAfter(answer, failures++, parts));
    }
    await clock.sleep(delay, stopping);
  }
}

/** Within a tenth: machines that were started together do not report together for ever. */
function jittered(ms: number, random: number): number {
  return ms * (0.9 + random * 0.2);
}

/** Of the disk that the folder is on, or will be on; null where nobody can tell. */
async function freeDiskBytes(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    const parent = dirname(folder);
    return parent === folder ? null : freeDiskBytes(parent);
  }
}
