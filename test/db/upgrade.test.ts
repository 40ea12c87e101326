// A lab in use, written by the schema that was released before, and what of it is there after the upgrade: everything.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { findAssignment } from '../../src/db/assignments.ts';
import { listVmHours } from '../../src/db/vm-hours.ts';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { migrations } from '../../src/db/migrations/list.ts';
import { readOperationVms } from '../../src/db/operation-vms.ts';
import { pendingRecycle, recordRecycled } from '../../src/db/recycling.ts';
import { requestVm } from '../../src/db/request.ts';
import { listShutdowns } from '../../src/db/shutdown.ts';
import { readTimeline } from '../../src/db/vm-timeline.ts';
import { findVm, findVms } from '../../src/db/vms.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { giveVm, vmRequest } from '../support/rows.ts';

const RELEASED = '0002-operations';
const LAUNCH = '00000000-0000-4000-8000-00000000000a';
const ADA = '00000000-0000-4000-8000-000000000001';
const BOB = '00000000-0000-4000-8000-000000000002';

/** As one lab of the released version leaves it: given, released and free machines, logs, an operation, a tombstone. */
const LAB = [
  `insert into operations (id, kind, status, requested_by, requested_at, started_at, ended_at, num_vms, done, total)
     values ('${LAUNCH}', 'launch', 'succeeded', 'grace', '2026-01-01 08:00Z', '2026-01-01 08:00Z', '2026-01-01 08:05Z', 3, 3, 3)`,
  `insert into operation_events (operation_id, level, hostname, text) values ('${LAUNCH}', 'info', 'vm-1', 'made')`,
  `insert into audit_events (who, what, operation_id) values ('grace', 'launch', '${LAUNCH}')`,
  `insert into vms (hostname, provider, status, status_since, in_use, gpu_health, token_hash, address, ssh_port, ssh_host_key,
       created_at, operation_id)
     values ('vm-1', 'local', 'running', '2026-01-01 08:05Z', true, 'Healthy', decode(repeat('01', 32), 'hex'), '127.0.0.1', 22,
         'ssh-ed25519 AAAA', '2026-01-01 08:01Z', '${LAUNCH}'),
       ('vm-2', 'local', 'recycling', '2026-01-01 10:00Z', false, 'N/A', decode(repeat('02', 32), 'hex'), null, null, null,
         '2026-01-01 08:01Z', '${LAUNCH}'),
       ('vm-3', 'local', 'running', '2026-01-01 08:05Z', null, null, decode(repeat('03', 32), 'hex'), null, null, null,
         '2026-01-01 08:01Z', '${LAUNCH}'),
       ('vm-4', 'external', 'unreachable', '2026-01-01 08:06Z', null, null, null, null, null, null, '2026-01-01 07:00Z', null)`,
  `insert into vm_presence (hostname, last_seen_at, boot_id, free_disk_bytes, confirms)
     select hostname, '2026-01-01 09:00Z', 'boot', 1000, true from vms`,
  `insert into assignments (id, hostname, email, browsers, crd_command, pin, assigned_at, delivered_at, released_at)
     values ('${ADA}', 'vm-1', 'ada@x.org', '{browser of ada@x.org}', 'start-host --code="4/0Aone"', '111111',
         '2026-01-01 09:00Z', '2026-01-01 09:01Z', null),
       ('${BOB}', 'vm-2', 'bob@x.org', '{}', 'start-host --code="4/0Atwo"', '222222', '2026-01-01 09:00Z', null,
         '2026-01-01 10:00Z')`,
  `update vms set assignment_id = '${ADA}' where hostname = 'vm-1'`,
  `update vms set assignment_id = '${BOB}' where hostname = 'vm-2'`,
  `insert into vm_timings (hostname, provisioning_seconds) values ('vm-1', 12.5)`,
  `insert into vm_logs (hostname, line, event_id) values ('vm-1', 'hello', 'e-1'), ('vm-1', 'world', 'e-2')`,
  `insert into vm_log_cuts (hostname, lines_cut) values ('vm-1', 7)`,
  `insert into tombstones (hostname, destroyed_at, token_hash) values ('vm-9', now(), decode(repeat('09', 32), 'hex'))`,
];

const TABLES = [
  'operations',
  'operation_events',
  'audit_events',
  'vms',
  'vm_presence',
  'assignments',
  'vm_timings',
  'vm_logs',
  'vm_log_cuts',
  'tombstones',
];

test('an upgrade from the released schema keeps every row of a lab in use, which continues to work', async () => {
  await using database = await createTestDatabase('empty');
  const { db } = database;
  const at = migrations.findIndex(({ name }) => name === RELEASED);
  expect(await migrateToLatest(db, migrations.slice(0, at + 1))).toMatchObject({ ok: true });
  for (const statement of LAB) await sql.raw(statement).execute(db);
  type Rows = readonly Readonly<Record<string, unknown>>[];
  const dump = async (): Promise<Readonly<Record<string, Rows>>> => {
    const all: Record<string, Rows> = {};
    for (const table of TABLES)
      all[table] = (
        await sql<Record<string, unknown>>`select * from ${sql.table(table)} order by 1, 2`.execute(db)
      ).rows;
    return all;
  };
  const before = await dump();

  expect(await migrateToLatest(db)).toEqual({
    ok: true,
    value: migrations.slice(at + 1).map(({ name }) => name),
  });

  const after = await dump();
  for (const table of TABLES) {
    const columns = Object.keys(before[table]?.[0] ?? {});
    const asBefore = after[table]?.map((row) => Object.fromEntries(columns.map((name) => [name, row[name]])));
    expect(asBefore, table).toEqual(before[table]);
  }
  // What the new pages tell begins with what is known.
  const names = ['vm-1', 'vm-2', 'vm-3', 'vm-4'];
  expect((await findVms(db, names)).map(({ hostname }) => hostname).toSorted()).toEqual(names);
  expect((await listVmHours(db)).map(({ hostname, createdAt }) => [hostname, createdAt]).toSorted()).toEqual(
    ['vm-1', 'vm-2', 'vm-3'].map((name) => [name, new Date('2026-01-01T08:01:00Z')]),
  );
  const changes = await db
    .selectFrom('assignment_changes')
    .select(['hostname', 'kind'])
    .orderBy('id')
    .execute();
  expect(changes.map(({ hostname, kind }) => `${hostname} ${kind}`).toSorted()).toEqual([
    'vm-1 assigned',
    'vm-2 assigned',
    'vm-2 released',
  ]);
  expect(await readTimeline(db, 'vm-1')).not.toEqual([]);
  // The participant comes back, the machine of the one before is emptied, and the next ones are served.
  expect(await requestVm(db, vmRequest('ada@x.org'))).toMatchObject({ kind: 'returned', hostname: 'vm-1' });
  expect(await giveVm(db, 'carol@x.org')).toMatchObject({ hostname: 'vm-3' });
  expect(await pendingRecycle(db, 'vm-2')).toEqual({ assignmentId: BOB });
  expect(await recordRecycled(db, { hostname: 'vm-2', assignmentId: BOB })).toBe('recorded');
  expect(await findVm(db, 'vm-2')).toMatchObject({ status: 'running', assignment: null });
  expect(await giveVm(db, 'dan@x.org')).toMatchObject({ hostname: 'vm-2' });
  expect(await migrateToLatest(db)).toEqual({ ok: true, value: [] });
});

test('actions, shutdown times and results that were stored under older names are read under the new ones', async () => {
  await using database = await createTestDatabase('empty');
  const { db } = database;
  const at = migrations.findIndex(({ name }) => name === '0007-history');
  expect(await migrateToLatest(db, migrations.slice(0, at + 1))).toMatchObject({ ok: true });
  for (const statement of [
    ...LAB,
    `insert into audit_events (who, what, hostname) values ('grace', 'let-in', 'vm-1'), ('grace', 'give-another', 'vm-1'),
       ('grace', 'extend', null), ('clock', 'end', null)`,
    `update vms set ends_at = '2026-01-01 16:00Z', wanted_ends_at = '2026-01-01 18:00Z', end_problem = 'No SSH.' where hostname = 'vm-1'`,
    `update assignments set let_in_until = '2026-01-01 12:00Z', moved_at = '2026-01-01 11:00Z' where id = '${ADA}'`,
    `insert into operation_machines (operation_id, hostname, state)
       values ('${LAUNCH}', 'vm-1', 'made'), ('${LAUNCH}', 'vm-2', 'gone'), ('${LAUNCH}', 'vm-3', 'failed')`,
  ])
    await sql.raw(statement).execute(db);

  expect(await migrateToLatest(db)).toMatchObject({ ok: true });

  const actions = await db.selectFrom('audit_events').select('what').orderBy('id').execute();
  expect(actions.map(({ what }) => what)).toEqual([
    'launch',
    'allow-browser',
    'reassign',
    'reschedule-shutdown',
    'shutdown',
  ]);
  expect((await listShutdowns(db)).find(({ hostname }) => hostname === 'vm-1')).toMatchObject({
    shutdownAt: new Date('2026-01-01T16:00:00Z'),
    requestedShutdownAt: new Date('2026-01-01T18:00:00Z'),
    error: 'No SSH.',
  });
  expect(await findAssignment(db, ADA)).toMatchObject({
    browserAllowedUntil: new Date('2026-01-01T12:00:00Z'),
    reassignedAt: new Date('2026-01-01T11:00:00Z'),
  });
  expect((await readOperationVms(db, LAUNCH)).map(({ state }) => state)).toEqual([
    'created',
    'destroyed',
    'failed',
  ]);
});
