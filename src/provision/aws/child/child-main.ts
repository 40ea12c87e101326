// The process that runs the engine, one per run: the only place that knows Pulumi's Automation API, which takes over a
// process's unhandled rejections. It gets orders over IPC and answers each. When the server is gone, it asks the engine
// to end, waits for that, and ends.
import process from 'node:process';
import type { Answer, Sent, Told } from '../engine/messages.ts';
import { carryOut } from './orders.ts';

/** What the engine may take to finish what is under way when the server has died. */
const LONE_MS = 10 * 60_000;
const TEXT_LIMIT = 40_000;

const asked = new AbortController();
let busy = false;
let alone = false;

function tell(told: Told): void {
  if (process.connected) process.send?.(told, undefined, undefined, () => undefined);
}

async function heed(sent: Sent): Promise<void> {
  if (sent.kind === 'cancel') {
    asked.abort();
    return;
  }
  busy = true;
  const answer = await carryOut(sent, asked.signal, (fact) => tell({ kind: 'fact', fact })).catch(
    (error: unknown): Answer => ({ kind: 'failed', text: textOf(error) }),
  );
  busy = false;
  tell(answer);
  if (alone) process.exit(0);
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(-TEXT_LIMIT);
}

function endAlone(): void {
  alone = true;
  asked.abort();
  if (!busy) process.exit(0);
  // The whole group: this process leads it.
  setTimeout(() => process.kill(-process.pid, 'SIGKILL'), LONE_MS);
}

process.on('message', (sent: Sent) => void heed(sent));
process.on('disconnect', endAlone);
// A signal to the group is for the engine; this process stays to hear how that ended.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => asked.abort());
