// What is broken on purpose is reported: rows that are put wrong in a real database, and what clients saw.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms } from '../support/rows.ts';
import { readRows, type Aftermath, type Evidence, type Holding, type MachineSeen } from './evidence.ts';
import { logLine } from './host-protocol.ts';
import { brokenAfterwards, brokenAlways, brokenInTheEnd, invariantNames } from './invariants.ts';

const code = '4/0Aone';
const machine = (hostname: string, more: Partial<MachineSeen> = {}): MachineSeen => ({
  hostname,
  kind: 'agent',
  interruptions: 0,
  linesWritten: 1,
  delivered: [],
  stateFiles: [],
  ...more,
});
const names = (broken: readonly { readonly invariant: string }[]): string[] => [
  ...new Set(broken.map(({ invariant }) => invariant)),
];
const reported = new Set<string>();

test('rows that are put wrong, deliveries that are suppressed and answers that are false break their invariants', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, ['vm-1', 'vm-2', 'vm-3']);
  const given = await giveVm(db, 'ada@example.org', { crdCommand: `start-host --code="${code}"` });
  await sql`update assignments set delivered_at = now(), acknowledged_at = now(), outcome = 'registered'`.execute(
    db,
  );
  await sql`insert into vm_logs (hostname, line) select hostname, hostname || ' line 1' from vms`.execute(db);
  const run = {
    bootId: 'boot',
    code,
    pin: given.pin,
    command: `1 of assignment ${given.id}`,
    hostname: given.hostname,
  };
  const answer = { email: 'ada@example.org', sentAt: Date.now(), answeredAt: Date.now() } as const;
  const told = {
    ...answer,
    kind: 'given',
    hostname: given.hostname,
    pin: given.pin,
    assignmentId: given.id,
  } as const;
  const collect = async (more: Partial<Evidence> = {}): Promise<Evidence> => ({
    rows: await readRows(db),
    machines: ['vm-1', 'vm-2', 'vm-3'].map((name) =>
      machine(name, name === given.hostname ? { delivered: [run] } : {}),
    ),
    participants: [{ email: 'ada@example.org', code, answers: [told] }],
    logViews: [],
    problems: [],
    ...more,
  });
  const breaks = (evidence: Evidence): string[] => {
    const broken = names([...brokenAlways(evidence), ...brokenInTheEnd(evidence)]);
    broken.forEach((name) => reported.add(name));
    return broken;
  };
  const seen = async (answers: Evidence['participants'][number]['answers']) =>
    breaks(await collect({ participants: [{ email: 'ada@example.org', code, answers }] }));
  expect(breaks(await collect())).toEqual([]);

  // What clients saw.
  expect(await seen([{ ...told, pin: '000000' }])).toEqual([
    'what a participant was told is what the database has',
  ]);
  expect(await seen([told, { ...answer, kind: 'refused', code: 'pin_required' }])).toEqual([
    'a participant is never locked out',
  ]);
  const later = { sentAt: Date.now() + 10_000, answeredAt: Date.now() + 10_001 };
  expect(await seen([told, { ...answer, ...later, kind: 'refused', code: 'none_free' }])).toEqual([
    'a machine is full for nobody while it is free',
  ]);
  const twice = [
    machine('vm-1', { delivered: [run, run] }),
    machine('vm-2', { delivered: [run] }),
    machine('vm-3'),
  ];
  expect(breaks(await collect({ machines: twice }))).toContain('a machine gets a command once per boot');
  expect(breaks(await collect({ machines: [machine('vm-1'), machine('vm-2'), machine('vm-3')] }))).toEqual([
    'every assignment is delivered',
  ]);
  expect(breaks(await collect({ problems: ['the agent has ended'] }))).toEqual(['nothing ends by itself']);
  expect(breaks(await collect({ participants: [{ email: 'bob@example.org', code, answers: [] }] }))).toEqual([
    'everybody has a machine, or no machine is free',
  ]);
  const line = logLine('vm-2', 1);
  expect(breaks(await collect({ logViews: [{ hostname: 'vm-2', lines: [line, line] }] }))).toEqual([
    'no log line is doubled',
  ]);

  // What the database has.
  await sql`delete from vm_logs where hostname = 'vm-3'`.execute(db);
  await sql`update vms set status = 'recycling' where hostname = 'vm-3'`.execute(db);
  await sql`insert into vm_events (hostname, status, event) values ('vm-3', 'unreachable', 'silence')`.execute(
    db,
  );
  await sql`insert into operations (id, kind, requested_by) values (${randomUUID()}, 'destroy', 'admin')`.execute(
    db,
  );
  expect(breaks(await collect())).toEqual([
    'a machine that sends heartbeats is not silent',
    'every machine is free or assigned',
    'no log line is lost',
    'every operation has ended or is marked',
  ]);
  await sql`drop index assignments_live_email`.execute(db);
  await sql`drop index assignments_live_hostname`.execute(db);
  const double = (hostname: string, email: string) =>
    sql`
    insert into assignments (id, hostname, email, crd_command, pin)
    values (${randomUUID()}, ${hostname}, ${email}, 'start-host', '123456')`.execute(db);
  await double(given.hostname, 'bob@example.org');
  await double('vm-3', 'ada@example.org');
  expect(breaks(await collect())).toEqual(
    expect.arrayContaining(['no machine has two people', 'no person has two machines']),
  );
});

const holding: Holding = {
  heapBytes: 40_000_000,
  descriptors: 30,
  sockets: 5,
  timers: 10,
  waiters: 0,
  files: ['a'],
};
const left = (more: Partial<Aftermath> = {}, after: Partial<Holding> = {}): string[] => {
  const broken = names(
    brokenAfterwards({
      rows: { waiting: [], connections: 3 },
      allocators: [{ name: 'a', before: holding, after: { ...holding, ...after } }],
      connectionsMax: 15,
      processes: [],
      ...more,
    }),
  );
  broken.forEach((name) => reported.add(name));
  return broken;
};

test('what is left behind after a run breaks its invariant', () => {
  const leak = 'no waiter, socket, timer or file is leaked';
  expect(left()).toEqual([]);
  expect(left({ rows: { waiting: ['vm-1'], connections: 3 } })).toEqual(['no machine waits']);
  expect(left({ rows: { waiting: [], connections: 16 } })).toEqual([
    'no connection to the database is leaked',
  ]);
  expect(left({ processes: ['process 7'] })).toEqual(['no process is left']);
  expect(left({}, { heapBytes: 60_000_000 })).toEqual(['memory is back to where it was']);
  for (const more of [
    { waiters: 1 },
    { sockets: 100 },
    { timers: 100 },
    { descriptors: 100 },
    { files: ['a', 'b'] },
  ])
    expect(left({}, more)).toEqual([leak]);
});

test('each invariant was seen to be reported by the tests above', () => {
  expect(invariantNames.filter((name) => !reported.has(name))).toEqual([]);
});
