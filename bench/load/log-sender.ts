// Sends logs of VMs in batches.
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

/** Sends each batch at its time, or as soon as the one before was answered. */
export async function stream({
  port,
  hostname,
  linesPerSecond,
  seconds,
}: Jobs['stream']['job']): Promise<Jobs['stream']['result']> {
  const connection = await openConnection(port);
  const perBatch = linesPerSecond / BATCHES_PER_SECOND;
  const firstSentMs = performance.now();
  try {
    for (let batch = 0; batch < seconds * BATCHES_PER_SECOND; batch += 1) {
      const waitMs = firstSentMs + (batch * 1_000) / BATCHES_PER_SECOND - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const lines = Array.from(
        { length: perBatch },
        (_, line) => `sent=${Date.now()} ${lineOf(batch, line)}`,
      );
      const { status, body } = await connection.send(logRequest(port, hostname, lines));
      if (status !== 200) throw new Error(`A log batch was answered ${status}: ${body}`);
    }
    return {
      lines: perBatch * seconds * BATCHES_PER_SECOND,
      seconds: (performance.now() - firstSentMs) / 1_000,
    };
  } finally {
    connection.close();
  }
}

/** A line as long as the usual lines of cloud-init. */
function lineOf(batch: number, line: number): string {
  return `2026-01-01 09:00:00,000 - util.py[DEBUG]: batch ${batch}, line ${line}: Running command ['systemctl']`;
}
