import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { removeDestroyed } from '../../src/db/vm-rows.ts';
import { registerVm, hostnameOfToken } from '../../src/db/registration.ts';
import {
  markFailed,
  reportGpuHealth,
  reportHeartbeat,
  reportInUse,
  reportStatus,
} from '../../src/db/reports.ts';
import { recordTimings } from '../../src/db/timings.ts';
import { countVms, findVm, listVms } from '../../src/db/vms.ts';
import { readTimings } from '../../src/vms/timings.ts';
import { hashToken } from '../../src/vms/token.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms, vmNames } from '../support/rows.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.db.deleteFrom('vms').execute();
  await database.db.deleteFrom('tombstones').execute();
});

const report = (hostname: string, status: 'initializing' | 'running' | 'error') =>
  reportStatus(database.db, { hostname, status, provider: 'external' });

describe('a status report', () => {
  test('simultaneous status reports of an unknown hostname add one VM', async () => {
    await Promise.all(Array.from({ length: 20 }, () => report('a', 'initializing')));
    expect((await listVms(database.db, {}, { limit: 10 })).vms).toMatchObject([
      { hostname: 'a', status: 'initializing' },
    ]);
  });

  test('a status report changes the status and its time; a repeated status changes neither', async () => {
    await report('a', 'initializing');
    const born = await findVm(database.db, 'a');
    await report('a', 'running');
    const running = await findVm(database.db, 'a');
    expect(running?.status).toBe('running');
    expect(running?.statusSince.getTime()).toBeGreaterThan(born?.statusSince.getTime() ?? 0);
    await report('a', 'running');
    expect((await findVm(database.db, 'a'))?.statusSince).toEqual(running?.statusSince);
  });

  test('a status report without news does not lock the row that a claim needs', async () => {
    await report('a', 'running');
    const revision = () => database.db.selectFrom('vms').select('revision').executeTakeFirstOrThrow();
    const before = await revision();
    await report('a', 'running');
    await reportHeartbeat(database.db, 'a', { bootId: 'boot-1', address: '10.0.0.5', freeDiskBytes: 5 });
    expect(await revision()).toEqual(before);
    await reportInUse(database.db, 'a', true);
    expect((await revision()).revision).toBeGreaterThan(before.revision);
  });

  test.each(['recycling', 'destroying'])('a status report does not replace the status %s', async (status) => {
    await report('a', 'running');
    await database.db.updateTable('vms').set({ status }).execute();
    expect(await report('a', 'running')).toBe('recorded');
    expect((await findVm(database.db, 'a'))?.status).toBe(status);
  });

  test('a VM that its provider gave up becomes error without a report, does not count as seen, and is never added', async () => {
    await report('a', 'running');
    const before = await findVm(database.db, 'a');
    await markFailed(database.db, 'a');
    await markFailed(database.db, 'ghost');
    expect(await findVm(database.db, 'a')).toMatchObject({ status: 'error', lastSeenAt: before?.lastSeenAt });
    expect((await countVms(database.db)).total).toBe(1);
  });

  test('a status report of a VM destroyed within the last hour adds nothing; a later one does', async () => {
    await sql`insert into tombstones (hostname) values ('a')`.execute(database.db);
    expect(await report('a', 'running')).toBe('late');
    expect(await findVm(database.db, 'a')).toBeNull();
    await sql`update tombstones set destroyed_at = now() - interval '61 minutes'`.execute(database.db);
    expect(await report('a', 'running')).toBe('recorded');
    expect(await findVm(database.db, 'a')).not.toBeNull();
  });
});

describe('other reports', () => {
  test('other reports of an unknown VM are rejected and add no row', async () => {
    expect(await reportInUse(database.db, 'ghost', true)).toBe('unknown_vm');
    expect(await reportGpuHealth(database.db, 'ghost', 'Healthy')).toBe('unknown_vm');
    expect(
      await reportHeartbeat(database.db, 'ghost', { bootId: 'x', address: '10.0.0.5', freeDiskBytes: null }),
    ).toBe('unknown_vm');
    expect(await recordTimings(database.db, 'ghost', readTimings({}))).toBe('unknown_vm');
    expect((await countVms(database.db)).total).toBe(0);
  });

  test('in-use, GPU and heartbeat reports are stored', async () => {
    await insertFreeVms(database.db, ['a']);
    await reportInUse(database.db, 'a', true);
    await reportGpuHealth(database.db, 'a', 'Unhealthy');
    await reportHeartbeat(database.db, 'a', {
      bootId: 'boot-1',
      address: '10.0.0.5',
      freeDiskBytes: 52_613_349_376,
    });
    await reportHeartbeat(database.db, 'a', { bootId: 'boot-2', address: '10.0.0.5', freeDiskBytes: null });
    expect(await findVm(database.db, 'a')).toMatchObject({
      inUse: true,
      gpuHealth: 'Unhealthy',
      bootId: 'boot-2',
      freeDiskBytes: 52_613_349_376,
    });
  });

  test('a GPU is as it is since the report that changed it, not since the machine runs', async () => {
    await insertFreeVms(database.db, ['a']);
    await sql`update vms set status_since = now() - interval '13 minutes'`.execute(database.db);
    const since = async () => (await findVm(database.db, 'a'))?.gpuSince?.getTime() ?? 0;
    expect(await since()).toBe(0);
    await reportGpuHealth(database.db, 'a', 'Unhealthy');
    const first = await since();
    expect(first).toBeGreaterThan(((await findVm(database.db, 'a'))?.statusSince.getTime() ?? 0) + 700_000);
    await reportGpuHealth(database.db, 'a', 'Unhealthy');
    expect(await since()).toBe(first);
  });

  test('the GPU health survives an assignment', async () => {
    await insertFreeVms(database.db, ['a']);
    await reportGpuHealth(database.db, 'a', 'Healthy');
    await giveVm(database.db, 'ada@x.org');
    expect((await findVm(database.db, 'a'))?.gpuHealth).toBe('Healthy');
  });
});

describe('timings', () => {
  test('timings that arrive in parts, in any order and at once are all stored', async () => {
    const names = vmNames(30);
    await insertFreeVms(database.db, names);
    const parts = [
      { cloud_init_start: 1_700_000_000, cloud_init_end: 1_700_000_060 },
      { container_start: 1_700_000_060 },
      { container_end_time: 1_700_000_075.5 },
      { cloud_init_duration_seconds: 61 },
    ];
    await Promise.all(
      names.flatMap((name) => parts.map((part) => recordTimings(database.db, name, readTimings(part)))),
    );
    const { vms } = await listVms(database.db, {}, { limit: 100 });
    expect(vms).toHaveLength(30);
    for (const vm of vms) expect(vm).toMatchObject({ cloudInitSeconds: 61, containerSeconds: 15.5 });
  });

  test('timings whose start and end arrived in two reports have a duration', async () => {
    await insertFreeVms(database.db, ['a']);
    await recordTimings(database.db, 'a', readTimings({ container_start: 100 }));
    expect((await findVm(database.db, 'a'))?.containerSeconds).toBeNull();
    await recordTimings(database.db, 'a', readTimings({ container_end: 130 }));
    expect((await findVm(database.db, 'a'))?.containerSeconds).toBe(30);
  });

  test('timings of a clock that ran backwards have no duration', async () => {
    await insertFreeVms(database.db, ['a']);
    await recordTimings(database.db, 'a', readTimings({ cloud_init_start: 130, cloud_init_end: 100 }));
    expect((await findVm(database.db, 'a'))?.cloudInitSeconds).toBeNull();
  });
});

describe('a registration', () => {
  const registration = {
    hostname: 'lab-pc-7',
    address: '192.0.2.17',
    sshUser: 'ubuntu',
    sshPort: 22,
    tokenHash: hashToken('t'),
  };

  test('a registered VM is identified by its token', async () => {
    expect(await registerVm(database.db, registration)).toBe('registered');
    expect(await hostnameOfToken(database.db, hashToken('t'))).toBe('lab-pc-7');
    expect(await hostnameOfToken(database.db, hashToken('u'))).toBeNull();
    expect(await findVm(database.db, 'lab-pc-7')).toMatchObject({
      status: 'initializing',
      provider: 'external',
      hasToken: true,
    });
  });

  test('the token of a destroyed VM is valid for an hour, for its last reports', async () => {
    await registerVm(database.db, registration);
    await database.db.updateTable('vms').set({ provider: 'local' }).execute();
    await removeDestroyed(database.db, ['lab-pc-7']);
    expect(await findVm(database.db, 'lab-pc-7')).toBeNull();
    expect(await hostnameOfToken(database.db, hashToken('t'))).toBe('lab-pc-7');
    expect(await report('lab-pc-7', 'running')).toBe('late');
    await sql`update tombstones set destroyed_at = now() - interval '61 minutes'`.execute(database.db);
    expect(await hostnameOfToken(database.db, hashToken('t'))).toBeNull();
  });

  test('an external machine that was removed from the list leaves its hostname and its token free', async () => {
    await registerVm(database.db, registration);
    await removeDestroyed(database.db, ['lab-pc-7']);
    expect(await hostnameOfToken(database.db, hashToken('t'))).toBeNull();
    expect(await registerVm(database.db, registration)).toBe('registered');
  });

  test('a hostname that is taken, or was within the last hour, cannot be registered', async () => {
    await registerVm(database.db, registration);
    expect(await registerVm(database.db, { ...registration, tokenHash: hashToken('u') })).toBe('taken');
    await sql`insert into tombstones (hostname) values ('gone')`.execute(database.db);
    expect(
      await registerVm(database.db, { ...registration, hostname: 'gone', tokenHash: hashToken('v') }),
    ).toBe('taken');
  });
});

describe('the list of machines', () => {
  test('the list of VMs has pages by hostname, filters, and a search by hostname and e-mail', async () => {
    await insertFreeVms(database.db, ['c', 'a', 'B', 'lab_1', 'lab-2']);
    await sql`update vms set status = 'error' where hostname = 'c'`.execute(database.db);
    const given = await giveVm(database.db, 'ada@x.org');
    const list = async (filter: Parameters<typeof listVms>[1], after?: string) => {
      const page = await listVms(database.db, filter, { after, limit: 2 });
      return [page.vms.map(({ hostname }) => hostname), page.next, page.total];
    };
    expect(await list({})).toEqual([['B', 'a'], 'a', 5]);
    expect(await list({}, 'a')).toEqual([['c', 'lab-2'], 'lab-2', 5]);
    expect(await list({}, 'lab-2')).toEqual([['lab_1'], null, 5]);
    expect(await list({ status: 'error' })).toEqual([['c'], null, 1]);
    expect(await list({ assigned: true })).toEqual([[given.hostname], null, 1]);
    expect(await list({ search: 'ADA@' })).toEqual([[given.hostname], null, 1]);
    expect(await list({ search: 'lab_' })).toEqual([['lab_1'], null, 1]);
    expect(await list({ search: '%' })).toEqual([[], null, 0]);
  });

  test('VMs are counted by their status', async () => {
    await insertFreeVms(database.db, ['a', 'b', 'c', 'd']);
    await sql`update vms set status = 'error' where hostname = 'a'`.execute(database.db);
    await giveVm(database.db, 'ada@x.org');
    await sql`update vms set in_use = true where assignment_id is not null`.execute(database.db);
    expect(await countVms(database.db)).toEqual({
      total: 4,
      free: 2,
      assigned: 1,
      inUse: 1,
      byStatus: new Map([
        ['error', 1],
        ['running', 3],
      ]),
    });
  });
});
