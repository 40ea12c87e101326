// What VMs report in one moment is one statement. It records what they would have recorded one after another.
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import { readGroupSizes } from '../../src/db/grouped.ts';
import { recordOutcome } from '../../src/db/outcomes.ts';
import { reportGpuHealth, reportHeartbeat, reportInUse, reportStatus } from '../../src/db/reports.ts';
import type { ReportedStatus } from '../../src/vms/lifecycle.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms, vmNames } from '../support/rows.ts';

let database: TestDatabase;
let db: Db;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
afterEach(() => db.destroy());
beforeEach(async () => {
  await database.db.deleteFrom('vms').execute();
  // Groups are counted for each pool.
  db = connectDatabase({
    connectionString: database.connectionString,
    poolSize: 5,
    applicationName: 'lablink test',
    onIdleError: () => undefined,
  });
});

const heartbeat = (hostname: string, bootId = 'boot-1', freeDiskBytes: number | null = 5) =>
  reportHeartbeat(db, hostname, { bootId, address: `address of ${bootId}`, freeDiskBytes });
const report = (hostname: string, status: ReportedStatus) =>
  reportStatus(db, { hostname, status, provider: 'external' });
const sizesOf = (name: string) => readGroupSizes([db]).find((group) => group.name === name);
const transactionsOf = async (table: 'vms' | 'vm_presence' | 'assignments'): Promise<number> => {
  const { rows } = await sql<{ count: number }>`
    select count(distinct xmin::text)::int as count from ${sql.table(table)}`.execute(database.db);
  return rows[0]?.count ?? 0;
};
const makeSilent = (hostname: string) =>
  sql`update vms set status = 'unreachable', silent_since = now() where hostname = ${hostname}`.execute(
    database.db,
  );

describe('a group of reports', () => {
  test('the heartbeats of a moment are one commit, and so are its statuses, its in-use reports and its outcomes', async () => {
    const names = vmNames(40);
    await insertFreeVms(db, names);
    const ids = await Promise.all(names.map(async (name) => (await giveVm(db, `${name}@x.org`)).id));
    const hostnameOf = new Map(
      (await db.selectFrom('assignments').select(['id', 'hostname']).execute()).map((row) => [
        row.id,
        row.hostname,
      ]),
    );
    await Promise.all(names.map((name) => heartbeat(name)));
    expect(await transactionsOf('vm_presence')).toBe(1);
    await Promise.all(names.map((name) => report(name, 'error')));
    expect(await transactionsOf('vms')).toBe(1);
    await Promise.all(names.map((name) => reportInUse(db, name, true)));
    expect(await transactionsOf('vms')).toBe(1);
    const outcomes = await Promise.all(
      ids.map((assignmentId) =>
        recordOutcome(db, {
          assignmentId,
          hostname: hostnameOf.get(assignmentId) ?? '',
          outcome: 'registered',
          commandNumber: 1,
          message: null,
        }),
      ),
    );
    expect(new Set(outcomes)).toEqual(new Set(['recorded']));
    expect(await transactionsOf('assignments')).toBe(1);
    for (const name of ['seen', 'statuses', 'in-use and GPU', 'outcomes'])
      expect(sizesOf(name)).toMatchObject({ largest: 40, alone: 0, waiting: 0 });
  });

  test('a report that the database refuses fails alone, and the others of its group are recorded', async () => {
    await insertFreeVms(db, ['a', 'b']);
    const results = await Promise.allSettled([heartbeat('a'), heartbeat('b', 'boot \u0000')]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(sizesOf('seen')).toMatchObject({ groups: 1, items: 2, alone: 2 });
    expect(await db.selectFrom('vm_presence').select('hostname').execute()).toEqual([{ hostname: 'a' }]);
  });

  test('a machine whose row is locked is recorded when it is free, and holds up no other', async () => {
    await insertFreeVms(db, ['a', 'b']);
    await makeSilent('a');
    await makeSilent('b');
    const lock = await database.db.startTransaction().execute();
    await sql`select from vms where hostname = 'a' for update`.execute(lock);
    const kinds = [
      (hostname: string) => heartbeat(hostname),
      (hostname: string) => report(hostname, 'error'),
      (hostname: string) => reportInUse(db, hostname, true),
      (hostname: string) => reportGpuHealth(db, hostname, 'Unhealthy'),
    ];
    const ofA = kinds.map((kind) => kind('a'));
    const recorded = [{ lastStatus: null }, 'recorded', 'recorded', 'recorded'];
    expect(await Promise.all(kinds.map((kind) => kind('b')))).toEqual(recorded);
    await lock.commit().execute();
    expect(await Promise.all(ofA)).toEqual(recorded);
    const rows = await db.selectFrom('vms').select(['status', 'in_use', 'gpu_health']).execute();
    expect(rows).toEqual([
      { status: 'error', in_use: true, gpu_health: 'Unhealthy' },
      { status: 'error', in_use: true, gpu_health: 'Unhealthy' },
    ]);
  });

  test('a heartbeat that had to wait still finds the other machine of its name', async () => {
    await insertFreeVms(db, ['a']);
    for (const bootId of ['boot-1', 'boot-2']) await heartbeat('a', bootId);
    await makeSilent('a');
    const lock = await database.db.startTransaction().execute();
    await sql`select from vms where hostname = 'a' for update`.execute(lock);
    const back = heartbeat('a', 'boot-1');
    await expect.poll(() => sizesOf('seen')?.alone, { timeout: 10_000 }).toBe(1);
    await lock.commit().execute();
    expect(await back).toEqual({ lastStatus: null });
    expect(await db.selectFrom('vms').select(['status', 'twin_addresses']).executeTakeFirst()).toEqual({
      status: 'running',
      twin_addresses: ['address of boot-2', 'address of boot-1'],
    });
  });
});

/** A small generator of numbers, so that a failure can be repeated by its seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

const id = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

/** Without times, which differ, and without the event of a status: which of two ended a silence is a matter of moments. */
async function dump(): Promise<unknown> {
  const { rows } = await sql`
    select v.hostname, v.provider, v.status, v.in_use, v.gpu_health, v.gpu_since is not null as gpu_at,
      v.silent_since is not null as silent, v.twin_addresses, p.boot_id, p.boot_address, p.earlier_boots, p.free_disk_bytes,
      p.last_seen_at > now() - interval '1 minute' as seen, a.outcome, a.outcome_message,
      a.delivered_at is not null as delivered, a.acknowledged_at is not null as acknowledged
    from vms v left join vm_presence p using (hostname) left join assignments a on a.hostname = v.hostname
    order by v.hostname`.execute(database.db);
  return rows;
}

describe('compared with one after another', () => {
  test.each(Array.from({ length: 12 }, (_, index) => 9_000 + index))(
    'a random group of reports on random VMs records what they record one after another (seed %i)',
    async (seed) => {
      const random = randomOf(seed);
      const oneOf = <T>(values: readonly [T, ...T[]]): T => values[random(values.length)] ?? values[0];
      const vms = Array.from({ length: 2 + random(6) }, (_, number) => ({
        hostname: `vm-${number}`,
        status: oneOf(['running', 'unreachable', 'unreachable', 'initializing', 'error', 'recycling']),
        isSilent: oneOf([true, false]),
        inUse: oneOf([null, true, false]),
        gpu: oneOf([null, 'Healthy', 'Unhealthy']),
        boots: oneOf([[], ['boot-1'], ['boot-2', 'boot-1'], ['boot-3', 'boot-2', 'boot-1']]),
        assignment: oneOf([null, { released: false }, { released: true }]),
      }));
      const build = async (): Promise<void> => {
        await db.deleteFrom('vms').execute();
        await sql`insert into tombstones (hostname) values ('gone') on conflict do nothing`.execute(db);
        for (const [number, vm] of vms.entries()) {
          await sql`insert into vms (hostname, provider, status, in_use, gpu_health, silent_since)
            values (${vm.hostname}, 'external', ${vm.status}, ${vm.inUse}, ${vm.gpu},
              ${vm.isSilent && vm.status === 'unreachable' ? sql`now()` : null})`.execute(db);
          const [bootId, ...earlier] = vm.boots;
          if (bootId !== undefined)
            await sql`insert into vm_presence (hostname, boot_id, boot_address, earlier_boots, last_seen_at)
              values (${vm.hostname}, ${bootId}, 'there', ${earlier}::text[], now() - interval '1 hour')`.execute(
              db,
            );
          if (vm.assignment)
            await sql`insert into assignments (id, hostname, email, browsers, crd_command, pin, command_number, released_at)
              values (${id(number)}, ${vm.hostname}, ${`${vm.hostname}@x.org`}, '{}', 'c', '123456', 2,
                ${vm.assignment.released ? sql`now()` : null})`.execute(db);
        }
      };
      const any = (): string => `vm-${random(vms.length)}`;
      /** Made once, so that both ways ask the same. */
      const makeReport = (): (() => Promise<unknown>) => {
        const [hostname, bootId, free] = [any(), oneOf(['boot-1', 'boot-2', 'boot-3']), oneOf([null, 7])];
        const [status, inUse] = [
          oneOf<ReportedStatus>(['initializing', 'running', 'error']),
          oneOf([true, false]),
        ];
        const stranger = oneOf([hostname, hostname, 'ghost', 'gone']);
        const isNew = random(8) === 0;
        const outcome = {
          assignmentId: id(random(vms.length + 1)),
          hostname,
          outcome: oneOf<'registered' | 'failed'>(['registered', 'failed']),
          commandNumber: oneOf([null, 1, 2, 2]),
          message: oneOf([null, 'why']),
        };
        return oneOf<() => Promise<unknown>>([
          () => heartbeat(stranger, bootId, free),
          () => report(isNew ? 'new' : hostname, status),
          () => report(hostname, status),
          () => reportInUse(db, stranger, inUse),
          () => reportGpuHealth(db, hostname, inUse ? 'Healthy' : 'Unhealthy'),
          () => recordOutcome(db, outcome),
          () => recordOutcome(db, { ...outcome, hostname: `vm-${Number(outcome.assignmentId.slice(-2))}` }),
        ]);
      };
      const reports = Array.from({ length: 4 + random(30) }, makeReport);

      await build();
      const inTurn: unknown[] = [];
      for (const send of reports) inTurn.push(await send());
      const after = await dump();
      await build();
      expect(await Promise.all(reports.map((send) => send()))).toEqual(inTurn);
      expect(await dump()).toEqual(after);
    },
  );
});

test('beyond the most VMs that only report, an unknown one is refused, and known ones report on', async () => {
  const first = { hostname: 'reported-1', status: 'running', provider: 'external' } as const;
  await reportStatus(db, first);
  const more = { ...first, hostname: 'reported-2' };
  expect(await reportStatus(db, more, 1)).toBe('too_many');
  expect(await reportStatus(db, first, 1)).toBe('recorded');
  expect(await reportStatus(db, more, 2)).toBe('recorded');
});
