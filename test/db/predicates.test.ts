// The predicates exist as TypeScript and as SQL; this test holds them together over every combination of facts.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as inSql from '../../src/db/predicates.ts';
import { isStatus, statusMeanings, vmStatuses } from '../../src/vms/lifecycle.ts';
import {
  gpuHealths,
  isAssigned,
  isFree,
  isGpuUnhealthy,
  isIdle,
  isUnhealthy,
  isUnreserved,
  type VmFacts,
} from '../../src/vms/status.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

type Held = { readonly releasedAt: Date | null } | null;
const held: readonly (readonly [string, Held, boolean])[] = [
  ['free', null, false],
  ['reserved', null, true],
  ['assigned', { releasedAt: null }, false],
  ['released', { releasedAt: new Date() }, false],
];
const vms = vmStatuses.flatMap((status) =>
  [null, ...gpuHealths].flatMap((gpuHealth) =>
    [null, new Date()].flatMap((twinSince) =>
      held.map(
        ([kind, assignment, isReserved]): Omit<VmFacts, 'twinSince'> & {
          readonly hostname: string;
          readonly assignment: Held;
          readonly twinSince: Date | null;
        } => ({
          hostname: `${status}-${(gpuHealth ?? 'none').replace('/', '')}-${twinSince ? 'twin' : 'single'}-${kind}`,
          status,
          gpuHealth,
          twinSince,
          assignment,
          isReserved,
        }),
      ),
    ),
  ),
);

async function reserve({ db }: Pick<TestDatabase, 'db'>, hostname: string): Promise<void> {
  const place = { id: randomUUID(), email: `${hostname}@x.org`.toLowerCase(), code: '123456' };
  await db.insertInto('waiting_list').values(place).execute();
  const reserved = { reserved_for: place.id, reserved_until: new Date('2100-01-01') };
  await db.updateTable('vms').set(reserved).where('hostname', '=', hostname).execute();
}

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  const { db } = database;
  for (const { hostname, status, gpuHealth, twinSince, assignment, isReserved } of vms) {
    await db
      .insertInto('vms')
      .values({ hostname, status, provider: 'local', gpu_health: gpuHealth, twin_since: twinSince })
      .execute();
    if (isReserved) await reserve(database, hostname);
    if (assignment === null) continue;
    const id = randomUUID();
    const email = `${hostname}@x.org`.toLowerCase();
    await db
      .insertInto('assignments')
      .values({ id, hostname, email, crd_command: 'c', pin: '123456', released_at: assignment.releasedAt })
      .execute();
    await db.updateTable('vms').set({ assignment_id: id }).where('hostname', '=', hostname).execute();
  }
});

afterAll(() => database[Symbol.asyncDispose]());

const pairs: readonly (readonly [string, string, (vm: VmFacts) => boolean])[] = [
  ['free', inSql.isFree('v'), isFree],
  ['free and not reserved', inSql.isUnreserved('v'), isUnreserved],
  ['assigned', inSql.isAssigned('v'), isAssigned],
  ['idle', inSql.isIdle('v'), isIdle],
  ['unhealthy', inSql.isUnhealthy('v'), isUnhealthy],
  ['of an unhealthy GPU', inSql.isGpuUnhealthy('v'), isGpuUnhealthy],
  ...statusMeanings.map(
    (meaning) =>
      [
        `of a status that is ${meaning}`,
        inSql.statusIs(meaning, 'v'),
        (vm: VmFacts) => isStatus(vm.status, meaning),
      ] as const,
  ),
];

test.each(pairs)('SQL and TypeScript agree on which VMs are %s', async (_, text, predicate) => {
  const { rows } = await sql<{ hostname: string }>`
    select v.hostname from vms v where ${inSql.condition(text)} order by v.hostname`.execute(database.db);
  const expected = vms.filter(predicate).map(({ hostname }) => hostname);
  expect(rows.map(({ hostname }) => hostname)).toEqual(expected.toSorted());
  expect(expected.length).toBeGreaterThan(0);
  expect(expected.length).toBeLessThan(vms.length);
});

test('the planner uses the partial index on free VMs for the condition of a claim', async () => {
  const plan = await database.db.transaction().execute(async (trx) => {
    await sql`set local enable_seqscan = off`.execute(trx);
    const { rows } = await sql<{ 'QUERY PLAN': string }>`
      explain select hostname from vms v where ${inSql.condition(inSql.isFree('v'))}`.execute(trx);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  });
  expect(plan).toContain('vms_free');
});
