// The child process that runs Pulumi, one per run. Pulumi's Automation API takes over the unhandled rejections of its
// process, so only this process loads it. When the server is gone, the child cancels the run, waits for its end, and exits.
import process from 'node:process';
import type { ChildMessage, CommandResult, ServerMessage } from '../messages.ts';
import { leaveOutUnusedPackages } from './unused-packages.ts';

leaveOutUnusedPackages();
// Loads Pulumi. A bundle would load it before the line above if this were a static import.
const { execute, outputOf } = await import('./commands.ts');

/** How long Pulumi may take to finish what it has started after the server has died. */
const ORPHANED_MS = 10 * 60_000;

const cancelling = new AbortController();
let isBusy = false;
let isOrphaned = false;

function send(message: ChildMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

async function handle(message: ServerMessage): Promise<void> {
  if (message.kind === 'cancel') {
    cancelling.abort();
    return;
  }
  isBusy = true;
  const result = await execute(message, cancelling.signal, (fact) => send({ kind: 'fact', fact })).catch(
    (error: unknown): CommandResult => ({ kind: 'failed', output: outputOf(error) }),
  );
  isBusy = false;
  send(result);
  if (isOrphaned) process.exit(0);
}

function exitWithoutServer(): void {
  isOrphaned = true;
  cancelling.abort();
  if (!isBusy) process.exit(0);
  // This process leads the group.
  setTimeout(() => process.kill(-process.pid, 'SIGKILL'), ORPHANED_MS);
}

process.on('message', (message: ServerMessage) => void handle(message));
process.on('disconnect', exitWithoutServer);
// A signal to the group is meant for Pulumi; this process stays to report how the run ended.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => cancelling.abort());
