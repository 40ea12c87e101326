// One hostname is one machine, and every machine is in the table.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { registerVm } from '../../src/db/registration.ts';
import { reportHeartbeat } from '../../src/db/reports.ts';
import { requestVm } from '../../src/db/request.ts';
import { markHealthy } from '../../src/db/vm-actions.ts';
import { readTimeline } from '../../src/db/vm-timeline.ts';
import { findVm } from '../../src/db/vms.ts';
import { findMatching } from '../../src/handlers/instances-page.ts';
import { defaultDeadlines } from '../../src/vms/deadlines.ts';
import { hashToken } from '../../src/vms/token.ts';
import { readVmQuery } from '../../src/vms/vm-table.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertFreeVms, vmRequest } from '../support/rows.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => database.db.deleteFrom('vms').execute());

test('the table and its CSV have every machine, also beyond ten thousand', async () => {
  await sql`insert into vms (hostname, provider, status) select 'vm-' || n, 'external', 'running' from generate_series(1, 10001) n`.execute(
    database.db,
  );
  const dependencies = {
    db: database.db,
    now: () => new Date(),
    codeLifetimeMs: 600_000,
    deadlines: defaultDeadlines,
  };
  const { vms, total } = await findMatching(dependencies, readVmQuery({ show: 'free' }));
  expect([vms.length, total, vms.at(-1)?.hostname]).toEqual([10_001, 10_001, 'vm-10001']);
});

test('a name that differs in case or in a dot at the end is no other machine, so it cannot be registered', async () => {
  const register = (hostname: string) =>
    registerVm(database.db, {
      hostname,
      address: null,
      sshUser: null,
      sshPort: null,
      tokenHash: hashToken(hostname),
    });
  expect(await register('Lab-7')).toBe('registered');
  for (const name of ['Lab-7', 'lab-7', 'LAB-7.']) expect(await register(name)).toBe('taken');
  expect(await register('lab-77')).toBe('registered');
});

describe('two machines under one hostname', () => {
  const boots = async (...ids: readonly ('A' | 'B' | 'C')[]) => {
    for (const bootId of ids)
      await reportHeartbeat(database.db, 'a', { bootId, address: `10.0.0.${bootId}`, freeDiskBytes: null });
  };
  const ask = () => requestVm(database.db, vmRequest('ada@x.org'));
  const twin = async () => (await findVm(database.db, 'a'))?.twinAddresses;
  const told = async () => (await readTimeline(database.db, 'a')).filter(({ what }) => what === 'twin');

  test('a machine that restarts, however often, is assigned as before', async () => {
    await insertFreeVms(database.db, ['a']);
    await boots('A', 'A', 'B', 'B', 'C', 'C');
    expect([await twin(), await told()]).toEqual([[], []]);
    expect(await ask()).toMatchObject({ kind: 'assigned', hostname: 'a' });
  });

  test('a boot id that comes back is told once with both addresses, and the machine is not assigned', async () => {
    await insertFreeVms(database.db, ['a']);
    await boots('A', 'B', 'A', 'B', 'A');
    expect(await twin()).toEqual(['10.0.0.B', '10.0.0.A']);
    expect(await told()).toMatchObject([{ kind: 'action', detail: '10.0.0.B, 10.0.0.A' }]);
    expect(await ask()).toEqual({ kind: 'none_free' });
  });

  test('a machine that an admin marks as healthy is assigned, until another boot id comes back', async () => {
    await insertFreeVms(database.db, ['a']);
    await boots('A', 'B', 'A');
    await markHealthy(database.db, { hostname: 'a', by: 'admin' });
    await boots('A', 'B');
    expect([await twin(), await told()]).toMatchObject([[], [{}]]);
    expect(await ask()).toMatchObject({ kind: 'assigned' });
    await boots('A');
    expect([await twin(), await told()]).toMatchObject([
      ['10.0.0.B', '10.0.0.A'],
      [{}, {}],
    ]);
  });
});
