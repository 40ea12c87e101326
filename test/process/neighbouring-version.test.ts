// The released version and this one, as processes on one Postgres: this one is started beside it and changes the database, both
// serve, and the released one is stopped.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { asForm, createLablinkClient, type LablinkClient } from '../../src/client/client.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import type { Program } from '../support/program.ts';
import { adminHeaders, postJson, sendRaw } from '../support/raw-http.ts';
import { unpackReleasedServer } from '../support/released-server.ts';
import { ADMIN } from '../support/server.ts';
import {
  askForVm,
  COMMAND,
  makeFolder,
  startSharing,
  until200,
  waitForPin,
  whereWaiting,
  type Given,
} from '../support/shared-allocators.ts';
import { readEvents } from '../support/sse.ts';

const POLLING = { timeout: 60_000, interval: 20 };
/** A poll is taken over by the other allocator within this time: the promise. */
const TAKEN_OVER = { timeout: 5_000, interval: 20 };
/** As many as use every connection of a pool, so that each has prepared its statements before the database changes. */
const RUSH = 12;
const PAGES = [
  '/admin',
  '/admin/instances',
  '/admin/operations',
  '/admin/fleet',
  '/admin/charts',
  '/admin/waiting-list',
];
const READS = ['/api/v1/overview', '/api/v1/vms', '/api/v1/operations', '/api/v1/settings', '/api/v1/lab'];

/** On a computer that is busy with other tests. */
const LONGEST_MS = 180_000;
const msSince = (start: number): number => Math.round(performance.now() - start);

type Side = { readonly program: Program; readonly url: string; readonly admin: LablinkClient };

const stack = new AsyncDisposableStack();
let database: TestDatabase;
let folder: string;
let main: string;
let released: Side;
let present: Side;
let backups: string[];
const crossing = machineNames(2);
let crossed: Promise<string>[];
/** Everybody who got a machine and keeps it, by e-mail. */
const seats = new Map<string, Given>();

function machineNames(count: number): string[] {
  return Array.from({ length: count }, () => `vm-${crypto.randomUUID().slice(0, 8)}`);
}

async function start(name: string, program?: string): Promise<Side> {
  const running = stack.use(startSharing(database, folder, name, program));
  const url = await running.url();
  return { program: running, url, admin: createLablinkClient({ baseUrl: url, ...ADMIN }) };
}

/** Free machines, which report to this one. */
async function freeMachines({ url }: Side, hostnames: readonly string[]): Promise<void> {
  await Promise.all(
    hostnames.map((hostname) =>
      until200(() => postJson(url, '/api/vm-status', { hostname, status: 'running' })),
    ),
  );
}

/** Until so many machines wait, all at one allocator. Returns that one. */
async function untilWaiting(count: number, except = 'none', limits = POLLING): Promise<string> {
  const expected = [{ allocator: expect.not.stringContaining(except) as string, count }];
  const check = async () => {
    const waiting = await whereWaiting(database);
    expect(waiting).toEqual(expected);
    return waiting[0]?.allocator ?? '';
  };
  return vi.waitFor(check, limits);
}

/** So many machines wait at one, as many participants ask the other: each gets one, which is told the same PIN. */
async function rush(waitAt: Side, askAt: Side, count: number): Promise<void> {
  const hostnames = machineNames(count);
  await freeMachines(waitAt, hostnames);
  const pins = hostnames.map((hostname) => waitForPin(waitAt.url, hostname));
  await untilWaiting(count);
  const given = await Promise.all(hostnames.map((hostname) => seat(askAt, `${hostname}@example.org`)));
  expect(given.map(({ hostname }) => hostname).sort()).toEqual(hostnames.toSorted());
  for (const { hostname, pin } of given) expect(await pins[hostnames.indexOf(hostname)]).toBe(pin);
}

async function seat({ url }: Side, email: string): Promise<Given> {
  const given = await askForVm(url, email);
  seats.set(email, given);
  return given;
}

/** One machine and its participant. */
async function oneSeat(at: Side): Promise<Given & { readonly email: string }> {
  const [hostname = ''] = machineNames(1);
  await freeMachines(at, [hostname]);
  const email = `${hostname}@example.org`;
  const given = await seat(at, email);
  expect(given.hostname).toBe(hostname);
  return { ...given, email };
}

async function expectReads(side: Side, paths: readonly string[]): Promise<void> {
  for (const path of paths)
    expect((await sendRaw(side.url, { path, headers: adminHeaders })).status, path).toBe(200);
}

vi.setConfig({ testTimeout: LONGEST_MS });
beforeAll(async () => {
  database = stack.use(await createTestDatabase('empty'));
  folder = await makeFolder(stack);
  main = await unpackReleasedServer(join(folder, 'released'));
  released = await start('old', main);
  await rush(released, released, RUSH);
  await expectReads(released, [...PAGES, ...READS]);
  await freeMachines(released, crossing);
  crossed = crossing.map((hostname) => waitForPin(released.url, hostname));
  await untilWaiting(crossing.length);
  const startedAt = performance.now();
  present = await start('new');
  console.log(`This version has made its backup, migrated and started in ${msSince(startedAt)} ms.`);
  backups = await readdir(join(folder, 'new/backups'));
}, LONGEST_MS);
// What a failed test has left would be given to the participants of the next.
afterEach(() => database.db.deleteFrom('vms').where('assignment_id', 'is', null).execute());
afterAll(() => stack.disposeAsync(), LONGEST_MS);

test('this version makes a backup before it changes the database, and the released one goes on', async () => {
  expect(present.program.output()).toMatch(/changes the database \(\d+-.*\): making a backup first/);
  expect(backups).toEqual([expect.stringMatching(/before-upgrade/)]);
  // Machines that have waited at the released version all the time: a participant asks either.
  const given = await Promise.all(
    [released, present].map((side, index) => seat(side, `crossing-${index}@example.org`)),
  );
  for (const { hostname, pin } of given) expect(await crossed[crossing.indexOf(hostname)]).toBe(pin);
  await rush(released, released, RUSH);
  await expectReads(released, [...PAGES, ...READS]);
  await expectReads(present, [...PAGES, ...READS]);
  expect(released.program.output()).not.toMatch(/"level":(?:50|60)/);
});

const directions = [
  ['the released version', 'this one', () => [released, present]],
  ['this version', 'the released one', () => [present, released]],
] as const satisfies readonly (readonly [string, string, () => readonly [Side, Side]])[];

describe.each(directions)('between %s and %s', (_here, _there, sides) => {
  test('machines wait at one, and participants ask the other', async () => {
    const [here, there] = sides();
    await rush(here, there, 4);
  });

  test('what a machine reports to one is seen at the other, by its reads and its streams', async () => {
    const [here, there] = sides();
    const { hostname } = await oneSeat(here);
    const stream = `${there.url}/api/v1/vms/${hostname}/logs/events`;
    await using events = await readEvents(`${there.url}/api/v1/vms/events`, adminHeaders);
    await using logs = await readEvents(stream, adminHeaders);
    expect([events.status, logs.status]).toEqual([200, 200]);
    await logs.next();
    const line = `a line of ${hostname}`;
    const batch = { log_group: 'lab', log_stream: hostname, messages: [line], event_ids: ['1'] };
    const beat = { boot_id: 'boot-1', free_disk_bytes: 7_000_000 };
    for (const [path, body] of [
      ['/api/vm-logs', batch],
      [`/api/v1/vms/${hostname}/heartbeat`, beat],
      ['/api/update_inuse_status', { hostname, status: true }],
      ['/api/vm-status', { hostname, status: 'error' }],
    ] as const)
      expect((await postJson(here.url, path, body)).status, path).toBe(200);
    await events.until(({ data }) => JSON.stringify(data).includes('"status":"error"'));
    await logs.until(({ data }) => JSON.stringify(data).includes(line));
    const params = { path: { hostname } };
    expect((await there.admin.GET('/api/v1/vms/{hostname}', { params })).data).toMatchObject({
      status: 'error',
      in_use: true,
    });
    // Sent again to the other one, the batch adds nothing.
    expect((await postJson(there.url, '/api/vm-logs', batch)).status).toBe(200);
    expect((await there.admin.GET('/api/vm-logs/{hostname}', { params })).data).toMatchObject({
      logs: line,
      lines: 1,
    });
  });

  test('a machine that is released at one and reset by the other is given to the next participant', async () => {
    const [here, there] = sides();
    const { hostname, assignmentId, email } = await oneSeat(here);
    const params = { path: { id: assignmentId } };
    expect((await there.admin.POST('/api/v1/assignments/{id}/release', { params })).data).toMatchObject({
      hostname,
    });
    seats.delete(email);
    const beat = await postJson(here.url, `/api/v1/vms/${hostname}/heartbeat`, { boot_id: 'boot-1' });
    expect(JSON.parse(beat.text)).toMatchObject({ action: 'recycle', assignment_id: assignmentId });
    const reset = { assignment_id: assignmentId };
    expect((await postJson(there.url, `/api/v1/vms/${hostname}/recycled`, reset)).status).toBe(200);
    const pin = waitForPin(there.url, hostname);
    const next = await seat(here, `next-${email}`);
    expect(next.hostname).toBe(hostname);
    expect(await pin).toBe(next.pin);
  });

  test('a participant is moved at one to a machine that waits at the other', async () => {
    const [here, there] = sides();
    const { hostname, email, cookie, pin } = await oneSeat(here);
    const [spare = ''] = machineNames(1);
    await freeMachines(here, [spare]);
    const told = waitForPin(here.url, spare);
    await untilWaiting(1);
    const params = { path: { hostname } };
    const moved = await there.admin.POST('/api/v1/vms/{hostname}/reassign', { params });
    expect(moved.response.status).toBe(200);
    expect(await told).toBe(pin);
    expect(await askForVm(here.url, email, cookie)).toMatchObject({ hostname: spare, pin });
    seats.set(email, await askForVm(there.url, email, cookie));
  });

  test('a machine that becomes free at one is reserved for who waits on the list of the other', async () => {
    const [here, there] = sides();
    const { hostname, assignmentId, email } = await oneSeat(here);
    const waiting = `waiting-${email}`;
    const place = await here.admin.POST('/api/v1/waiting-list', { body: { email: waiting }, ...asForm });
    const cookie = place.response.headers.get('set-cookie')?.split(';')[0] ?? '';
    const id = typeof place.data === 'object' ? place.data.id : '';
    const params = { path: { id } };
    const state = async () =>
      (await there.admin.GET('/api/v1/waiting-list/{id}', { params, headers: { Cookie: cookie } })).data
        ?.state;
    expect(await state()).toBe('waiting');
    await there.admin.POST('/api/v1/assignments/{id}/release', { params: { path: { id: assignmentId } } });
    seats.delete(email);
    const reset = { assignment_id: assignmentId };
    expect((await postJson(here.url, `/api/v1/vms/${hostname}/recycled`, reset)).status).toBe(200);
    await expect.poll(state, POLLING).toBe('reserved');
    const body = { email: `newcomer-${email}`, crd_command: COMMAND };
    expect((await here.admin.POST('/api/request_vm', { body, ...asForm })).error).toMatchObject({
      code: 'none_free',
    });
    const given = await askForVm(here.url, waiting, cookie);
    expect(given.hostname).toBe(hostname);
    seats.set(waiting, given);
  });

  test('an operation that is asked for at one is seen at the other, and is done once', async () => {
    const [here, there] = sides();
    const names = machineNames(2);
    await freeMachines(here, names);
    // At the same moment: if one is refused, because the other one has begun, it is asked for again.
    const ask = async ({ admin }: Side, hostname = '') => {
      const params = { path: { hostname } };
      const { data, error } = await admin.DELETE('/api/v1/vms/{hostname}', { params });
      if (data === undefined) throw new Error(JSON.stringify(error));
      return data.id;
    };
    const ids = await Promise.all(
      [here, there].map((side, index) => vi.waitFor(() => ask(side, names[index]), POLLING)),
    );
    for (const [index, { admin, url }] of [there, here].entries()) {
      const id = ids[index] ?? '';
      await using events = await readEvents(`${url}/api/v1/operations/${id}/events`, adminHeaders);
      await events.until(({ event }) => event === 'end');
      const { data } = await admin.GET('/api/v1/operations/{id}', { params: { path: { id } } });
      expect(data).toMatchObject({ status: 'succeeded', hostnames: [names[index]] });
    }
    const { rows } = await sql`select o.id from operations o join operation_vms v on v.operation_id = o.id
      where v.hostname = any(${names}::text[]) and v.state = 'destroyed' and o.status = 'succeeded'`.execute(
      database.db,
    );
    expect(rows).toHaveLength(names.length);
    const { rows: done } = await sql`select from operation_events e join operations o on o.id = e.operation_id
      where e.text = 'Done.' and o.hostnames && ${names}::text[]`.execute(database.db);
    expect(done).toHaveLength(names.length);
  });
});

test('an operation that only this version knows is run by it, and the released one goes on serving', async () => {
  const { hostname, assignmentId, email } = await oneSeat(released);
  const body = { hostnames: [hostname], assignment_ids: [assignmentId] };
  const asked = await present.admin.POST('/api/v1/selected-vms/release', { body });
  seats.delete(email);
  const id = asked.data?.id ?? '';
  const params = { path: { id } };
  await expect
    .poll(async () => (await present.admin.GET('/api/v1/operations/{id}', { params })).data?.status, POLLING)
    .toBe('succeeded');
  // The released version takes jobs of its own queue alone.
  const { rows } = await sql<{ name: string }>`select name from lablink_queue.job where id = ${id}`.execute(
    database.db,
  );
  expect(rows).toEqual([{ name: expect.not.stringMatching(/^operations$/) as string }]);
  await rush(released, present, 2);
  await rush(present, released, 2);
  // As docs/operations.md says: its pages that list the operation answer with an error, the others as before.
  for (const path of ['/admin', '/admin/operations'])
    expect((await sendRaw(released.url, { path, headers: adminHeaders })).status, path).toBe(500);
  await expectReads(released, ['/admin/instances', '/api/v1/vms', '/api/v1/lab']);
});

test('when the released version is stopped, its machines wait at this one within 5 s, and everybody has a machine of their own', async () => {
  const names = machineNames(6);
  await freeMachines(released, names);
  let at = released.url;
  const pins = names.map((hostname) => waitForPin(() => at, hostname));
  const left = await untilWaiting(names.length);
  at = present.url;
  const stoppedAt = performance.now();
  released.program.child.kill('SIGTERM');
  await untilWaiting(names.length, left, TAKEN_OVER);
  console.log(`All machines wait at this version after ${msSince(stoppedAt)} ms.`);
  const given = await Promise.all(names.map((name) => seat(present, `${name}@example.org`)));
  for (const { hostname, pin } of given) expect(await pins[names.indexOf(hostname)]).toBe(pin);
  expect(await released.program.ended).toBe(0);

  expect(new Set([...seats.values()].map(({ hostname }) => hostname)).size).toBe(seats.size);
  for (const [email, { hostname, pin, cookie }] of seats)
    expect(await askForVm(present.url, email, cookie)).toMatchObject({ hostname, pin });
  const { rows } = await sql`select hostname from assignments where released_at is null`.execute(database.db);
  expect(rows).toHaveLength(seats.size);
});

test('the released version does not start again where the changelog says so', async () => {
  await using again = startSharing(database, folder, 'old', main);
  expect(await again.ended).toBe(1);
  expect(again.output()).toContain(
    'A newer version of LabLink has changed this database (0029-selections-and-codes)',
  );
});
