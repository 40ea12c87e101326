// The queue of operations: pg-boss on our own Postgres, in a schema of its own. A job is put in by the transaction that
// writes the operation, and bears its id; the operation's row stays the truth. The only file that knows pg-boss.
import { fromKysely, PgBoss } from 'pg-boss';
import type { Db } from '../db/connect.ts';

export type QueueOptions = {
  readonly connectionString: string;
  /** Longest that a run may take, seconds: the job outlives it. */
  readonly runLimitSeconds: number;
  /** Told of errors of the queue's own work; it goes on. */
  readonly onError: (error: unknown, doing: string) => void;
};

export type OperationQueue = {
  /** Connects, and brings the queue's schema up to date. Throws where the database is away. */
  open(): Promise<void>;
  /** Begins to take jobs, one at a time; one runs per stack, also among several processes. */
  work(run: (operationId: string) => Promise<void>): Promise<void>;
  /** Puts an operation in, as a part of this transaction. */
  enqueue(trx: Db, operationId: string): Promise<void>;
  /** Takes an operation's job out, whoever holds it, as a part of this transaction. */
  drop(trx: Db, operationId: string): Promise<void>;
  /** Something was put in: look now. */
  wake(): void;
  /** Takes no more jobs, waits for the one that runs, and closes. */
  close(): Promise<void>;
};

const SCHEMA = 'lablink_queue';
const QUEUE = 'operations';
/** All operations of a database are about one stack; the policy lets one of a key run. */
const STACK = 'stack';
const POOL_SIZE = 3;
/** Other processes see a new job after this long; the process that put it in is woken. */
const POLL_SECONDS = 2;
const HEARTBEAT_SECONDS = 30;
const HEARTBEAT_REFRESH_SECONDS = 10;
/** Between the end of the longest run and the end of its job. */
const EXPIRY_MARGIN_SECONDS = 600;
const KEEP_SECONDS = 86_400;
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
  boss.on('error', (error) => options.onError(error, 'working the queue'));
  let workId: string | null = null;
  return {
    open: async () => {
      await boss.start();
      const settings = {
        // An interrupted run is found by its lease and cleared up; it is never run a second time by itself.
        retryLimit: 0,
        expireInSeconds: options.runLimitSeconds + EXPIRY_MARGIN_SECONDS,
        heartbeatSeconds: HEARTBEAT_SECONDS,
        retentionSeconds: KEEP_SECONDS,
        deleteAfterSeconds: KEEP_SECONDS,
      };
      await boss.createQueue(QUEUE, { policy: 'singleton', ...settings });
      await boss.updateQueue(QUEUE, settings);
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
      const put = { id: operationId, singletonKey: STACK, db: fromKysely(trx) };
      const id = await boss.send(QUEUE, null, put);
      if (id === null) throw new Error(`the queue refused operation ${operationId}`);
    },
    drop: async (trx, operationId) => {
      await boss.deleteJob(QUEUE, operationId, { db: fromKysely(trx) });
    },
    wake: () => {
      if (workId !== null) boss.notifyWorker(workId);
    },
    close: () => boss.stop({ graceful: true, timeout: CLOSE_TIMEOUT_MS }),
  };
}
