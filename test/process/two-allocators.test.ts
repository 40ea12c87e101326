// Two allocators as processes on one Postgres, behind a balancer that knows neither cookies nor names: machines wait at both,
// one is killed, the other one is stopped, and nobody loses a seat.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../support/postgres.ts';
import { startProgram, type Program } from '../support/program.ts';
import { formHeaders, postJson, sendRaw, type RawAnswer } from '../support/raw-http.ts';
import { vmNames } from '../support/rows.ts';

const MACHINES = 40;
const HALF = MACHINES / 2;
const POLLING = { timeout: 60_000, interval: 20 };
/** How soon a program asks again after a lost connection or a 503. */
const AGAIN_MS = 250;
const COMMAND = 'start-host --code="4/0Aone" --redirect-url="https://example.org"';

type Target = { port: number; readonly open: Set<Socket> };

/** Sends connections to the targets in turn, and to the next one where a target refuses. */
async function startBalancer(targets: readonly Target[]) {
  let next = 0;
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.on('error', () => client.destroy()).on('close', () => clients.delete(client));
    forward(client, next++, targets.length);
  });
  function forward(client: Socket, index: number, tries: number): void {
    const target = targets[index % targets.length];
    if (!target || tries === 0) return void client.destroy();
    const upstream = connect(target.port, '127.0.0.1');
    upstream.once('error', () => forward(client, index + 1, tries - 1));
    upstream.once('connect', () => {
      target.open.add(upstream);
      upstream.removeAllListeners('error').on('error', () => undefined);
      upstream.on('close', () => {
        target.open.delete(upstream);
        client.destroy();
      });
      client.on('close', () => upstream.destroy());
      client.pipe(upstream).pipe(client);
    });
  }
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the balancer has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.destroy();
      await closed;
    },
  };
}

type Given = { readonly hostname: string; readonly pin: string; readonly cookie: string };

/** Sends it until it is answered with 200. Every other answer must be a 503 that says when to ask again. */
async function until200(send: () => Promise<RawAnswer>): Promise<RawAnswer> {
  for (;;) {
    const answer = await send().catch(() => null);
    if (answer?.status === 200 && answer.text.trim() !== '') return answer;
    if (answer !== null) {
      expect(answer).toMatchObject({ status: 503 });
      expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    }
    await delay(AGAIN_MS);
  }
}

/** A machine: polls until it has a command. */
async function waitForPin(url: string, hostname: string): Promise<string> {
  for (;;) {
    const { text } = await until200(() => postJson(url, '/vm_startup', { hostname }));
    const told = JSON.parse(text) as { readonly status: string; readonly pin?: string };
    if (told.pin !== undefined) return told.pin;
    await delay(AGAIN_MS);
  }
}

async function ask(url: string, email: string, cookie = ''): Promise<Given> {
  const { text, headers } = await until200(() =>
    sendRaw(url, {
      method: 'POST',
      path: '/api/request_vm',
      headers: { ...formHeaders, Accept: 'application/json', Cookie: cookie },
      body: new URLSearchParams({ email, crd_command: COMMAND }).toString(),
    }),
  );
  const given = JSON.parse(text) as Omit<Given, 'cookie'>;
  const [set = cookie] = headers['set-cookie'] ?? [];
  return { hostname: given.hostname, pin: given.pin, cookie: set.split(';')[0] ?? '' };
}

test('when one of two allocators is killed and the other one is stopped, machines wait at the one that is left, and everybody has a machine of their own', async () => {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await createTestDatabase());
  const folder = await mkdtemp(join(tmpdir(), 'lablink-two-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const start = async (name: string, target: Target): Promise<Program> => {
    const program = startProgram(['serve'], {
      DATA_DIR: join(folder, name),
      DATABASE_URL: database.connectionString,
      SECRET_KEY: 'the secret of both allocators of this database',
      ADMIN_PASSWORD: 'a password for tests',
      PROVIDER: 'external',
      LOG_LEVEL: 'warn',
    });
    stack.use(program);
    target.port = Number(new URL(await program.url()).port);
    return program;
  };
  const [a, b]: [Target, Target] = [
    { port: 0, open: new Set() },
    { port: 0, open: new Set() },
  ];
  const [first, second] = await Promise.all([start('a', a), start('b', b)]);
  const { url } = stack.use(await startBalancer([a, b]));

  const names = vmNames(MACHINES);
  for (const hostname of names)
    await until200(() => postJson(url, '/api/vm-status', { hostname, status: 'running' }));
  const told = names.map((hostname) => waitForPin(url, hostname));
  const waiting = async (): Promise<number> =>
    (await sql`select from vm_presence where waiting_until > now()`.execute(database.db)).rows.length;
  await expect.poll(waiting, POLLING).toBe(MACHINES);
  for (const { open } of [a, b]) expect(open.size).toBeGreaterThan(0);
  const emails = names.map((name) => `${name}@example.org`);
  const given = await Promise.all(emails.slice(0, HALF).map((email) => ask(url, email)));

  // Killed with about half of the machines that still wait.
  await expect.poll(() => a.open.size + b.open.size, POLLING).toBe(HALF);
  const killedAt = performance.now();
  first.child.kill('SIGKILL');
  await expect.poll(() => b.open.size, POLLING).toBe(HALF);
  console.log(
    `all machines wait at the other allocator after ${Math.round(performance.now() - killedAt)} ms`,
  );
  given.push(...(await Promise.all(emails.slice(HALF, HALF + HALF / 2).map((email) => ask(url, email)))));

  // Started again, and the other one stopped with the machines that are left.
  const third = await start('a', a);
  second.child.kill('SIGTERM');
  given.push(...(await Promise.all(emails.slice(HALF + HALF / 2).map((email) => ask(url, email)))));
  expect(await second.ended).toBe(0);

  // The machine has the person's PIN, and the person comes back to it with the cookie of either allocator.
  const pins = new Map(names.map((name, index) => [name, told[index]]));
  for (const { hostname, pin } of given) expect(await pins.get(hostname)).toBe(pin);
  expect(new Set(given.map(({ hostname }) => hostname)).size).toBe(MACHINES);
  const back = await Promise.all(given.map(({ cookie }, index) => ask(url, emails[index] ?? '', cookie)));
  expect(back.map(({ hostname }) => hostname)).toEqual(given.map(({ hostname }) => hostname));
  third.child.kill('SIGTERM');
  expect(await third.ended).toBe(0);
}, 240_000);
