// Logs of VMs, batch after batch.
import { openConnection } from './connection.ts';
import type { Jobs } from './jobs.ts';
import { logRequest } from './requests.ts';

export async function push({
  port,
  hostnames,
  linesPerBatch,
}: Jobs['push']['job']): Promise<Jobs['push']['result']> {
  const connection = await openConnection(port);
  const batchMs: number[] = [];
  try {
    for (const [batch, hostname] of hostnames.entries()) {
      const lines = Array.from({ length: linesPerBatch }, (_, line) => lineOf(batch, line));
      const request = logRequest(port, hostname, lines);
      const startedMs = performance.now();
      const { status, body } = await connection.send(request);
      batchMs.push(performance.now() - startedMs);
      if (status !== 200) throw new Error(`A log batch was answered ${status}: ${body}`);
    }
    return { batchMs };
  } finally {
    connection.close();
  }
}

/** About as long as cloud-init's. */
function lineOf(batch: number, line: number): string {
  return `2026-01-01 09:00:00,000 - util.py[DEBUG]: batch ${batch}, line ${line}: Running command ['systemctl']`;
}
