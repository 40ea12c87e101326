// The operation service with its own database, a scripted provider and short intervals.
import { randomBytes, randomUUID } from 'node:crypto';
import { vi } from 'vitest';
import { findOperation, type OperationRecord } from '../../src/db/operations.ts';
import { readOperationEvents } from '../../src/db/operation-events.ts';
import type { OperationServiceOptions } from '../../src/provision/operation-service.ts';
import { createOperationService, type OperationService } from '../../src/provision/operation-service.ts';
import type { Provider } from '../../src/provision/provider.ts';
import { isActive, type OperationStatus } from '../../src/vms/operation.ts';
import { createScriptedProvider, type Script, type ScriptedProvider } from '../doubles/scripted-provider.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

export type TestOperations = AsyncDisposable & {
  readonly database: TestDatabase;
  readonly db: TestDatabase['db'];
  readonly provider: ScriptedProvider;
  readonly operations: OperationService;
  /** Other errors, in the order in which they occurred. */
  readonly warnings: string[];
  /** Starts a launch, and expects that it is accepted. */
  readonly launch: (numVms: number, hours?: number) => Promise<OperationRecord>;
  readonly destroy: () => Promise<OperationRecord>;
  /** Waits until the operation has ended. */
  readonly ended: (id: string) => Promise<OperationRecord>;
  readonly reached: (id: string, status: OperationStatus) => Promise<OperationRecord>;
  readonly texts: (id: string) => Promise<string[]>;
};

/** Short if tests wait for them; long if they are only limits, which a busy computer must not reach. */
export const shortIntervals = {
  leaseMs: 10_000,
  renewMs: 20,
  flushMs: 10,
  forceAfterMs: 2_000,
  abandonAfterMs: 5_000,
  recoverMs: 50,
  lateMs: 1_000,
  stopForceAfterMs: 3_000,
  canaryPollMs: 20,
  shutdownsMs: 50,
  reconcileMs: 60_000,
} as const;

export const WAIT = { timeout: 25_000, interval: 20 };

export type TestOptions = Partial<OperationServiceOptions> & {
  readonly script?: Partial<Script>;
  /** The name of the provider that the scripted one replaces. */
  readonly as?: Provider['name'];
  readonly scripted?: ScriptedProvider;
  readonly on?: TestDatabase;
};

/** Starts the service. Disposing stops it, and drops the database unless the test has passed one. */
export async function startTestOperations(options: TestOptions = {}): Promise<TestOperations> {
  const { script, scripted, on, as, ...more } = options;
  const database = on ?? (await createTestDatabase());
  const { db } = database;
  const provider = scripted ?? createScriptedProvider(script, as);
  const warnings: string[] = [];
  const note = (fields: Readonly<Record<string, unknown>>, message: string): void => {
    warnings.push(`${message} ${fields['err'] instanceof Error ? fields['err'].message : ''}`.trim());
  };
  const operations = createOperationService({
    db,
    connectionString: database.connectionString,
    provider,
    deployment: { name: 'lab', environment: 'test' },
    alone: true,
    log: { info: () => undefined, warn: note, error: note },
    now: () => new Date(),
    randomUuid: () => randomUUID(),
    randomBytes,
    intervals: shortIntervals,
    ...more,
  });
  await operations.start();
  const until = async (id: string, is: (operation: OperationRecord) => boolean) =>
    vi.waitFor(async () => {
      const operation = await findOperation(db, id);
      if (!operation || !is(operation)) throw new Error(`the operation is ${operation?.status ?? 'unknown'}`);
      return operation;
    }, WAIT);
  return {
    database,
    db,
    provider,
    operations,
    warnings,
    launch: async (numVms, hours) => accepted(await operations.launch({ numVms, hours, by: 'ada' })),
    destroy: async () => accepted(await operations.destroy({ by: 'ada' })),
    ended: (id) => until(id, ({ status }) => !isActive(status)),
    reached: (id, wanted) => until(id, ({ status }) => status === wanted),
    texts: async (id) =>
      (await readOperationEvents(db, id, { after: 0, limit: 1_000 })).map(({ text }) => text),
    [Symbol.asyncDispose]: async () => {
      await operations.stop();
      if (!on) await database[Symbol.asyncDispose]();
    },
  };
}

function accepted(answer: Awaited<ReturnType<OperationService['launch']>>): OperationRecord {
  if (answer.kind !== 'accepted') throw new Error(`expected to be accepted: ${JSON.stringify(answer)}`);
  return answer.operation;
}
