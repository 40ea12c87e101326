// The queue of operations: pg-boss in a schema of its own. The transaction that inserts an operation also inserts its job,
// with the same id; the row of the operation is authoritative. The only file that uses pg-boss.
import { sql } from 'kysely';
import { fromKysely, PgBoss } from 'pg-boss';
import type { Db } from '../db/connect.ts';

export type QueueOptions = {
  readonly connectionString: string;
  /** The time limit of a run, in seconds: the job must live longer. */
  readonly runLimitSeconds: number;
  /** Receives errors of the queue itself, which goes on. */
  readonly onError: (error: unknown, doing: string) => void;
};

export type OperationQueue = {
  /** Connects and migrates the schema of the queue. Rejects if the database is away. */
  open(): Promise<void>;
  /** Starts to take jobs; only one runs at a time, across all processes. */
  work(run: (operationId: string) => Promise<void>): Promise<void>;
  /** Adds the job of an operation, within this transaction. */
  enqueue(trx: Db, operationId: string): Promise<void>;
  /** Removes the job of an operation, even if another process holds it, within this transaction. */
  remove(trx: Db, operationId: string): Promise<void>;
  /**
   * Within this transaction: removes jobs of processes that are dead, which would hold up the next for up to 90 seconds. True if a process
   * that lives holds a job: it runs it, or will.
   */
  removeDead(trx: Db): Promise<boolean>;
  /** Within this transaction: at this time of the database's clock, one of the processes is woken by `onTimer`. */
  setTimer(trx: Db, at: Date): Promise<void>;
  /** Calls `wake` when a timer has come. A timer is a hint: nothing is lost if it never comes. */
  onTimer(wake: () => void): Promise<void>;
  /** A job was added: looks for it now. */
  wake(): void;
  /** Takes no more jobs, waits for the current one, and closes. */
  close(): Promise<void>;
};

const SCHEMA = 'lablink_queue';
/**
 * Of 0.1.0: `operations`. It knows neither `assignment_ids` nor every kind: of an upgrade, each version runs what it was asked for, and
 * what an older one has left queued gets a job here (recovery.ts).
 */
const QUEUE = 'operations-2';
const TIMERS = 'timers';
/** All operations of a database share this key; the policy runs one job per key. */
const SINGLETON_KEY = 'stack';
const POOL_SIZE = 3;
/** Other processes see a new job within this time; the process that added it is woken. */
const POLL_SECONDS = 2;
const HEARTBEAT_SECONDS = 30;
const HEARTBEAT_REFRESH_SECONDS = 10;
/** Between the end of the longest run and the end of its job. */
const EXPIRY_MARGIN_SECONDS = 600;
const KEEP_SECONDS = 86_400;
/** More than are kept. */
const JOBS_MAX = 10_000;
const CLOSE_TIMEOUT_MS = 2_000;

const schemaOptions = {
  schema: SCHEMA,
  max: POOL_SIZE,
  application_name: 'lablink queue',
  schedule: false,
  registerInstance: false,
  monitorVacuum: false,
  reindex: false,
  openTelemetry: { enabled: false },
} as const;

export function createQueue(options: QueueOptions): OperationQueue {
  const boss = new PgBoss({ ...schemaOptions, connectionString: options.connectionString });
  boss.on('error', (error) => options.onError(error, 'working on the queue'));
  let workId: string | null = null;
  return {
    open: async () => {
      await boss.start();
      const settings = {
        // recovery.ts cleans up after an interrupted run; it is never run a second time.
        retryLimit: 0,
        expireInSeconds: options.runLimitSeconds + EXPIRY_MARGIN_SECONDS,
        heartbeatSeconds: HEARTBEAT_SECONDS,
        retentionSeconds: KEEP_SECONDS,
        deleteAfterSeconds: KEEP_SECONDS,
      };
      await boss.createQueue(QUEUE, { policy: 'singleton', ...settings });
      await boss.updateQueue(QUEUE, settings);
      await boss.createQueue(TIMERS, { policy: 'standard', retryLimit: 0, deleteAfterSeconds: KEEP_SECONDS });
    },
    work: async (run) => {
      const settings = {
        pollingIntervalSeconds: POLL_SECONDS,
        heartbeatRefreshSeconds: HEARTBEAT_REFRESH_SECONDS,
      };
      workId = await boss.work(QUEUE, settings, async (jobs) => {
        for (const { id } of jobs) await run(id);
      });
    },
    enqueue: async (trx, operationId) => {
      const job = { id: operationId, singletonKey: SINGLETON_KEY, db: fromKysely(trx) };
      const id = await boss.send(QUEUE, null, job);
      if (id === null) throw new Error(`the queue refused operation ${operationId}`);
    },
    remove: async (trx, operationId) => {
      await boss.deleteJob(QUEUE, operationId, { db: fromKysely(trx) });
    },
    removeDead: (trx) => removeDead(boss, trx),
    setTimer: async (trx, at) => {
      await boss.send(TIMERS, null, { startAfter: at, db: fromKysely(trx) });
    },
    onTimer: async (wake) => {
      await boss.work(TIMERS, { pollingIntervalSeconds: POLL_SECONDS }, () => {
        wake();
        return Promise.resolve();
      });
    },
    wake: () => {
      if (workId !== null) boss.notifyWorker(workId);
    },
    close: () => boss.stop({ graceful: true, timeout: CLOSE_TIMEOUT_MS }),
  };
}

async function removeDead(boss: PgBoss, trx: Db): Promise<boolean> {
  const db = fromKysely(trx);
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(trx);
  const deadSince = Number(rows[0]?.now) - HEARTBEAT_SECONDS * 1_000;
  const jobs = await boss.findJobs(QUEUE, { db, limit: JOBS_MAX });
  const active = jobs.filter(({ state }) => state === 'active');
  const dead = active.filter(({ heartbeatOn, startedOn }) => Number(heartbeatOn ?? startedOn) < deadSince);
  const ids = dead.map(({ id }) => id);
  if (ids.length > 0) await boss.deleteJob(QUEUE, ids, { db });
  return active.length > dead.length;
}
