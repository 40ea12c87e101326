// Two allocators as processes on one Postgres, behind a balancer that knows neither cookies nor names: machines wait at both,
// one is killed, the other one is stopped, and nobody loses a seat.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../support/postgres.ts';
import type { Program } from '../support/program.ts';
import { postJson } from '../support/raw-http.ts';
import { vmNames } from '../support/rows.ts';
import {
  askForVm,
  makeFolder,
  startSharing,
  until200,
  waitForPin,
  whereWaiting,
} from '../support/shared-allocators.ts';

const MACHINES = 40;
const HALF = MACHINES / 2;
/** Those for whom participants come when only one allocator is left. */
const LAST = MACHINES / 8;
const POLLING = { timeout: 60_000, interval: 20 };
/** A poll is taken over by the other allocator within this time: the promise. */
const TAKEN_OVER = { timeout: 5_000, interval: 20 };

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

test('when one of two allocators is killed and the other one is stopped, machines wait at the one that is left, and everybody has a machine of their own', async () => {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await createTestDatabase());
  const folder = await makeFolder(stack);
  const start = async (name: string, target: Target): Promise<Program> => {
    const program = startSharing(database, folder, name);
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
  const countWaiting = async (): Promise<number> =>
    (await whereWaiting(database)).reduce((total, { count }) => total + count, 0);
  await expect.poll(countWaiting, POLLING).toBe(MACHINES);
  expect(await whereWaiting(database)).toHaveLength(2);
  const emails = names.map((name) => `${name}@example.org`);
  const given = await Promise.all(emails.slice(0, HALF).map((email) => askForVm(url, email)));

  // Killed with about half of the machines that still wait.
  await expect.poll(() => a.open.size + b.open.size, POLLING).toBe(HALF);
  const killedAt = performance.now();
  first.child.kill('SIGKILL');
  await expect
    .poll(() => whereWaiting(database), TAKEN_OVER)
    .toEqual([{ allocator: expect.any(String) as string, count: HALF }]);
  console.log(
    `all machines wait at the other allocator after ${Math.round(performance.now() - killedAt)} ms`,
  );
  given.push(
    ...(await Promise.all(emails.slice(HALF, HALF + HALF / 2).map((email) => askForVm(url, email)))),
  );

  // Started again, and the other one stopped with the machines that are left, while participants come.
  const [{ allocator: survivor } = { allocator: '' }] = await whereWaiting(database);
  const third = await start('a', a);
  second.child.kill('SIGTERM');
  const come = Promise.all(emails.slice(HALF + HALF / 2, -LAST).map((email) => askForVm(url, email)));
  await expect
    .poll(() => whereWaiting(database), TAKEN_OVER)
    .toEqual([{ allocator: expect.not.stringContaining(survivor) as string, count: LAST }]);
  given.push(
    ...(await come),
    ...(await Promise.all(emails.slice(-LAST).map((email) => askForVm(url, email)))),
  );
  expect(await second.ended).toBe(0);

  // The machine has the person's PIN, and the person comes back to it with the cookie of either allocator.
  const pins = new Map(names.map((name, index) => [name, told[index]]));
  for (const { hostname, pin } of given) expect(await pins.get(hostname)).toBe(pin);
  expect(new Set(given.map(({ hostname }) => hostname)).size).toBe(MACHINES);
  const back = await Promise.all(
    given.map(({ cookie }, index) => askForVm(url, emails[index] ?? '', cookie)),
  );
  expect(back.map(({ hostname }) => hostname)).toEqual(given.map(({ hostname }) => hostname));
  third.child.kill('SIGTERM');
  expect(await third.ended).toBe(0);
}, 240_000);
