// Log lines of VMs: checked, appended, kept within the limit.
import type { Handler, Reply } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { appendLogs, logBytes, pruneLogs } from '../db/logs.ts';
import { seenOrLate } from '../db/reports.ts';

/** Keeps the logs of each VM within a limit, without looking at all of them for every batch. */
export type LogKeeper = {
  /** Told of what was appended. */
  appended(hostname: string, bytes: number): Promise<void>;
};

/** Lines are cut when this share of the limit has come since the last cut, so a VM has at most that much too many. */
const SLACK = 0.1;

/** @param maxBytes of text kept per VM */
export function createLogKeeper(db: Db, maxBytes: number): LogKeeper {
  // A VM that this process has not cut yet may be over the limit already: its first batch is looked at.
  const sinceCut = new Map<string, number>();
  return {
    async appended(hostname, bytes) {
      const total = (sinceCut.get(hostname) ?? maxBytes) + bytes;
      sinceCut.set(hostname, total);
      if (total < maxBytes * SLACK) return;
      sinceCut.set(hostname, 0);
      await pruneLogs(db, hostname, maxBytes);
    },
  };
}

export function createLogIntake(dependencies: {
  readonly db: Db;
  readonly logs: LogKeeper;
}): Handler<'postVmLogs'> {
  const { db, logs } = dependencies;
  return async ({ body }) => {
    const eventIds = body.event_ids ?? null;
    if (eventIds !== null && eventIds.length !== body.messages.length) {
      const error = { field: 'event_ids', code: 'mismatch', message: 'must have one id per message' };
      return problem('invalid_request', { errors: [error] });
    }
    const hostname = body.log_stream;
    const seen = await seenOrLate(db, hostname);
    if (seen === 'unknown_vm') return problem('vm_not_found');
    // A machine that was destroyed a moment ago has no row that lines could hang on.
    if (seen === 'late') return stored;
    const lines = body.messages.map(storable);
    await appendLogs(db, { hostname, lines, eventIds });
    await logs.appended(hostname, logBytes(lines));
    return stored;
  };
}

const stored: Reply<'postVmLogs'> = {
  status: 200,
  type: 'application/json',
  body: { message: 'VM logs posted successfully.' },
};

/** Postgres stores no NUL; a line that holds one is kept all the same. One message is one line, whatever ends it. */
function storable(message: string): string {
  return message.replaceAll('\u0000', '\ufffd').replace(/\r?\n$/, '');
}
