// A crowd for which there are too few machines, at two allocators as processes on one Postgres, one of which is killed: some wait,
// machines are released in random order, some do not come, some reload. WAITING_FULL=1 runs it in the size of a large workshop.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createDraw } from '../support/draw.ts';
import { createTestDatabase } from '../support/postgres.ts';
import type { Program } from '../support/program.ts';
import { formHeaders, sendRaw, type RawAnswer } from '../support/raw-http.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';
import { COMMAND, makeFolder, startSharing } from '../support/shared-allocators.ts';
import { findViolations, watchReservations } from '../support/waiting-watch.ts';

const isFull = process.env['WAITING_FULL'] === '1';
const MACHINES = isFull ? 500 : 20;
const WAITING = isFull ? 100 : 15;
const DO_NOT_COME = 0.3;
const RELOAD = 0.2;
const AGAIN_MS = 250;
/** The promise is a second; a computer that is busy with other tests may take longer for a sweep. */
const LONGEST_FREE_MS = isFull ? 1_000 : 10_000;
const POLLING = { timeout: 120_000, interval: 100 };

type Person = { readonly email: string; cookie: string; readonly comes: boolean; readonly reloads: boolean };

test(`of ${MACHINES + WAITING} people and ${MACHINES} machines at two allocators, one of them killed, nobody is passed and no machine is free beside somebody who waits`, async () => {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await createTestDatabase());
  const { db } = database;
  const folder = await makeFolder(stack);
  const start = async (name: string): Promise<{ program: Program; url: string }> => {
    const program = startSharing(database, folder, name);
    stack.use(program);
    return { program, url: await program.url() };
  };
  const allocators = await Promise.all([start('one'), start('two')]);
  const urls = allocators.map(({ url }) => url);
  const draw = createDraw(18);
  await watchReservations(db);
  await insertFreeVms(db, vmNames(MACHINES));

  /** Sends it to the allocators in turn until one answers. */
  async function send(person: Person, path: string, body?: Record<string, string>): Promise<RawAnswer> {
    for (;;) {
      const url = urls[draw.below(urls.length)] ?? '';
      const answer = await sendRaw(url, {
        method: body ? 'POST' : 'GET',
        path,
        headers: { ...(body && formHeaders), Accept: 'text/html', Cookie: person.cookie },
        ...(body && { body: new URLSearchParams(body).toString() }),
      }).catch(() => null);
      if (answer !== null && answer.status < 500) {
        const [set] = answer.headers['set-cookie'] ?? [];
        if (set !== undefined) person.cookie = set.split(';', 1)[0] ?? '';
        return answer;
      }
      await delay(AGAIN_MS);
    }
  }
  const submit = (person: Person) =>
    send(person, '/api/request_vm', { email: person.email, crd_command: COMMAND });

  const people = Array.from({ length: MACHINES + WAITING }, (_, index): Person => ({
    email: `p${index}@example.org`,
    cookie: '',
    comes: true,
    reloads: false,
  }));
  await Promise.all(people.map(submit));
  const { rows: waiting } = await sql<{ email: string }>`select email from waiting_list`.execute(db);
  expect(waiting).toHaveLength(WAITING);
  const names = new Set(waiting.map(({ email }) => email));
  const crowd = people
    .filter(({ email }) => names.has(email))
    .map((person) => ({ ...person, comes: !draw.chance(DO_NOT_COME), reloads: draw.chance(RELOAD) }));

  const ending = new AbortController();
  /** A page: asks again and again; who comes submits the form when it is their turn. */
  async function wait(person: Person): Promise<void> {
    while (!ending.signal.aborted) {
      const { text } = await send(person, '/');
      if (text.includes('You already have a machine')) return;
      if (person.reloads) await submit(person);
      if (person.comes && text.includes('data-state="reserved"')) await submit(person);
      await delay(AGAIN_MS + draw.below(AGAIN_MS));
    }
  }
  const pages = Promise.all(crowd.map(wait));

  // How long a machine that can be claimed has been free while somebody present has none.
  const free = new Map<string, number>();
  let longestMs = 0;
  const watching = (async () => {
    while (!ending.signal.aborted) {
      const { rows } = await sql<{ hostname: string }>`select v.hostname from vms v
        where v.assignment_id is null and v.status = 'running' and v.reserved_for is null and exists (
          select from waiting_list w join waiting_presence p using (id) where w.left_at is null and w.reserved_vm is null
            and p.present_at > now() - interval '90 seconds')`.execute(db);
      const at = performance.now();
      const now = new Set(rows.map(({ hostname }) => hostname));
      for (const name of free.keys()) if (!now.has(name)) free.delete(name);
      for (const name of now)
        longestMs = Math.max(longestMs, at - (free.get(name) ?? free.set(name, at).get(name) ?? at));
      await delay(25);
    }
  })();

  const released = vmNames(MACHINES)
    .map((name) => ({ name, at: draw.below(1_000_000) }))
    .sort((one, other) => one.at - other.at)
    .slice(0, WAITING);
  for (const [index, { name }] of released.entries()) {
    if (index === Math.floor(WAITING / 3)) {
      allocators[0].program.child.kill('SIGKILL');
      urls.splice(0, 1);
    }
    await sql`update assignments set released_at = now() where hostname = ${name} and released_at is null`.execute(
      db,
    );
    await sql`update vms set assignment_id = null where hostname = ${name}`.execute(db);
    // Those who do not come lose their machine at once instead of in three minutes.
    if (index % 3 === 0) await runOut();
    await delay(isFull ? 50 : 100);
  }
  async function runOut(): Promise<void> {
    const absent = crowd.filter(({ comes, reloads }) => !comes && !reloads).map(({ email }) => email);
    await sql`update vms set reserved_until = now() from waiting_list w
      where w.id = vms.reserved_for and w.email = any(${absent}::text[])`.execute(db);
  }
  const served = async (): Promise<number> => {
    await runOut();
    const { rows } = await sql`select from assignments where released_at is null
      and email = any(${crowd.filter(({ comes, reloads }) => comes || reloads).map(({ email }) => email)}::text[])`.execute(
      db,
    );
    return rows.length;
  };
  await expect.poll(served, POLLING).toBe(crowd.filter(({ comes, reloads }) => comes || reloads).length);
  ending.abort();
  await Promise.all([pages, watching]);
  expect(await findViolations(db)).toEqual({ order: 0, double: 0 });
  if (isFull)
    console.info(
      `The longest that a machine stood free beside somebody who waits: ${Math.round(longestMs)} ms.`,
    );
  expect(longestMs).toBeLessThan(LONGEST_FREE_MS);
}, 300_000);
