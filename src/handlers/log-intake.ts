// Receives log lines of VMs, and keeps the logs of each VM within a limit.
import type { Handler, Reply } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { appendLogs, logBytes, pruneLogs } from '../db/logs.ts';
import { seenOrLate } from '../db/reports.ts';

/** Deletes the oldest lines of a VM beyond the limit, but does not check this for every batch. */
export type LogLimiter = {
  /** Call it after lines were appended. */
  appended(hostname: string, bytes: number): Promise<void>;
};

/** Lines are deleted each time this share of the limit was added, so that a VM exceeds its limit by at most this. */
const SLACK = 0.1;

/** @param maxBytes of text kept per VM */
export function createLogLimiter(db: Db, maxBytes: number): LogLimiter {
  // After a start, a VM may exceed its limit already, so its first batch is always checked.
  const bytesSinceCut = new Map<string, number>();
  return {
    async appended(hostname, bytes) {
      const total = (bytesSinceCut.get(hostname) ?? maxBytes) + bytes;
      bytesSinceCut.set(hostname, total);
      if (total < maxBytes * SLACK) return;
      bytesSinceCut.set(hostname, 0);
      await pruneLogs(db, hostname, maxBytes);
    },
  };
}

export function createLogIntake(dependencies: {
  readonly db: Db;
  readonly logLimiter: LogLimiter;
}): Handler<'postVmLogs'> {
  const { db, logLimiter } = dependencies;
  return async ({ body }) => {
    const eventIds = body.event_ids ?? null;
    if (eventIds !== null && eventIds.length !== body.messages.length) {
      const error = { field: 'event_ids', code: 'mismatch', message: 'must have one id per message' };
      return problem('invalid_request', { errors: [error] });
    }
    const hostname = body.log_stream;
    const seen = await seenOrLate(db, hostname);
    if (seen === 'unknown_vm') return problem('vm_not_found');
    // The VM was destroyed within the last hour; its lines are dropped.
    if (seen === 'late') return stored;
    const lines = body.messages.map(storable);
    await appendLogs(db, { hostname, lines, eventIds });
    await logLimiter.appended(hostname, logBytes(lines));
    return stored;
  };
}

const stored: Reply<'postVmLogs'> = {
  status: 200,
  type: 'application/json',
  body: { message: 'VM logs posted successfully.' },
};

/** Replaces NUL, which Postgres cannot store, and removes the line end. */
function storable(message: string): string {
  return message.replaceAll('\u0000', '\ufffd').replace(/\r?\n$/, '');
}
