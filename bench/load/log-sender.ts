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

const BATCHES_PER_SECOND = 10;

/** A batch is sent at its time, or as soon as the one before was answered. */
export async function pour({
  port,
  hostname,
  linesPerSecond,
  seconds,
}: Jobs['pour']['job']): Promise<Jobs['pour']['result']> {
  const connection = await openConnection(port);
  const perBatch = linesPerSecond / BATCHES_PER_SECOND;
  const begun = performance.now();
  try {
    for (let batch = 0; batch < seconds * BATCHES_PER_SECOND; batch += 1) {
      const waitMs = begun + (batch * 1_000) / BATCHES_PER_SECOND - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const lines = Array.from(
        { length: perBatch },
        (_, line) => `sent=${Date.now()} ${lineOf(batch, line)}`,
      );
      const { status, body } = await connection.send(logRequest(port, hostname, lines));
      if (status !== 200) throw new Error(`A log batch was answered ${status}: ${body}`);
    }
    return { lines: perBatch * seconds * BATCHES_PER_SECOND, seconds: (performance.now() - begun) / 1_000 };
  } finally {
    connection.close();
  }
}

/** About as long as cloud-init's. */
function lineOf(batch: number, line: number): string {
  return `2026-01-01 09:00:00,000 - util.py[DEBUG]: batch ${batch}, line ${line}: Running command ['systemctl']`;
}
