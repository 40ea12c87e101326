// Receives log lines of VMs, and keeps the logs of each VM within a limit.
import pLimit, { type LimitFunction } from 'p-limit';
import type { Handler, Reply } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { createLogAppender, logBytes, pruneLogs, type LogBatch } from '../db/logs.ts';
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

/** Writes logs, a batch of a VM at a time. */
export type LogQueue = {
  /** Throws `overloaded` where too many bytes of this VM wait. */
  readonly write: (batch: LogBatch) => Promise<void>;
};

/** So that one VM cannot fill the memory: two of the largest batches. */
const WAITING_BYTES_PER_VM = 8 * 1024 * 1024;

export type LogQueueOptions = {
  readonly db: Db;
  readonly limiter: LogLimiter;
  /** How many of the pool's connections may be used by batches that cannot be written together with others. */
  readonly connections: number;
  readonly onLogLines?: ((lines: number, bytes: number) => void) | undefined;
};

/**
 * Batches wait before they take a connection: those of one VM are written one after another anyway, and each would hold a
 * connection meanwhile. Claims and health never wait for logs.
 */
export function createLogQueue({ db, limiter, connections, onLogLines }: LogQueueOptions): LogQueue {
  const append = createLogAppender(connections);
  const perVm = new Map<string, { readonly queue: LimitFunction; waitingBytes: number }>();

  async function store(batch: LogBatch, bytes: number): Promise<void> {
    await append(db, batch);
    onLogLines?.(batch.lines.length, bytes);
    await limiter.appended(batch.hostname, bytes);
  }

  return {
    write: async (batch) => {
      const { hostname } = batch;
      const bytes = logBytes(batch.lines);
      const vm = perVm.get(hostname) ?? { queue: pLimit(1), waitingBytes: 0 };
      if (vm.waitingBytes > 0 && vm.waitingBytes + bytes > WAITING_BYTES_PER_VM)
        throw new ProblemError('overloaded', {
          detail: 'Too many batches of logs of this VM are waiting. Send them one after another.',
        });
      perVm.set(hostname, vm);
      vm.waitingBytes += bytes;
      try {
        await vm.queue(() => store(batch, bytes));
      } finally {
        vm.waitingBytes -= bytes;
        if (vm.queue.activeCount + vm.queue.pendingCount === 0) perVm.delete(hostname);
      }
    },
  };
}

export function createLogIntake(dependencies: {
  readonly db: Db;
  readonly logQueue: LogQueue;
  readonly hasSpaceForLogs: () => Promise<boolean>;
}): Handler<'postVmLogs'> {
  const { db, logQueue, hasSpaceForLogs } = dependencies;
  return async ({ body }) => {
    const eventIds = body.event_ids ?? null;
    if (eventIds !== null && eventIds.length !== body.messages.length) {
      return problem('invalid_request', { errors: [NOT_ONE_ID_EACH] });
    }
    if (!(await hasSpaceForLogs())) return problem('storage_full');
    const hostname = body.log_stream;
    const seen = await seenOrLate(db, hostname);
    if (seen === 'unknown_vm') return problem('vm_not_found');
    // The VM was destroyed within the last hour; its lines are dropped.
    if (seen === 'late') return stored;
    await logQueue.write({ hostname, lines: body.messages.map(storable), eventIds });
    return stored;
  };
}

const NOT_ONE_ID_EACH = {
  field: 'event_ids',
  code: 'mismatch',
  message: 'event_ids must have one ID for each message',
};

const stored: Reply<'postVmLogs'> = {
  status: 200,
  type: 'application/json',
  body: { message: 'VM logs posted successfully.' },
};

/** Replaces NUL, which Postgres cannot store, and removes the line end. */
function storable(message: string): string {
  return message.replaceAll('\u0000', '\ufffd').replace(/\r?\n$/, '');
}
