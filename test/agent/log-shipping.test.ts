import { access, appendFile, mkdtemp, rename, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createFollower } from '../../src/agent/logs/follow.ts';
import { messageLimits } from '../../src/agent/logs/messages.ts';
import type { Position } from '../../src/agent/logs/positions.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { createMachine, eventually } from './fixture.ts';
import { startRelay } from './relay.ts';

let server: TestServer;
let machines = 0;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const name = () => `lablink-vm-logs-${++machines}`;
const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `line ${from + index} of the machine`);

async function stored(hostname: string): Promise<string[]> {
  const rows = await server.db
    .selectFrom('vm_logs')
    .select('line')
    .where('hostname', '=', hostname)
    .orderBy('id')
    .execute();
  return rows.map(({ line }) => line);
}

test('10,000 lines are stored once and in order, despite three restarts of the allocator, two of the agent, and cut connections', async () => {
  const hostname = name();
  await using machine = await createMachine(hostname);
  await using relay = await startRelay(() => server.url);
  let agent = machine.start(relay.url);
  let written = 0;
  const write = async (count: number) => {
    // In pieces that end anywhere, as programs write.
    const text = numbered(written, count).join('\n') + '\n';
    const middle = Math.floor(text.length / 3);
    await appendFile(machine.logFile, text.slice(0, middle));
    await appendFile(machine.logFile, text.slice(middle));
    written += count;
  };
  for (let round = 0; round < 20; round++) {
    await write(500);
    if (round === 4 || round === 10 || round === 16) await server.restart();
    if (round % 3 === 0) {
      relay.cut();
      relay.restore();
    }
    if (round === 7) {
      agent.force();
      await agent.exit;
      agent = machine.start(relay.url);
    }
    if (round === 13) {
      await agent.stop();
      agent = machine.start(relay.url);
    }
    await eventually(async () => expect((await stored(hostname)).length).toBeGreaterThan(round * 400));
  }
  await eventually(async () => expect(await stored(hostname)).toHaveLength(10_000));
  expect(await stored(hostname)).toEqual(numbered(0, 10_000));
}, 120_000);

test('a batch whose answer was lost is not stored twice, even if the agent is restarted meanwhile', async () => {
  const hostname = name();
  await using machine = await createMachine(hostname);
  let isAnswerLost = true;
  const fetchLosing = async (request: Request) => {
    const response = await fetch(request);
    if (isAnswerLost && request.url.endsWith('/api/vm-logs')) throw new Error('the answer was lost');
    return response;
  };
  await machine.log(...numbered(0, 100));
  const agent = machine.start(server.url, { dependencies: { fetch: fetchLosing } });
  await eventually(async () => expect(await stored(hostname)).toHaveLength(100));
  agent.force();
  await agent.exit;
  await machine.log(...numbered(100, 100));
  isAnswerLost = false;
  machine.start(server.url);
  await eventually(async () => expect(await stored(hostname)).toHaveLength(200));
  expect(await stored(hostname)).toEqual(numbered(0, 200));
});

test('a file that is rotated, truncated or written anew, also while no agent runs, loses and repeats no line', async () => {
  const hostname = name();
  await using machine = await createMachine(hostname);
  let agent = machine.start(server.url);
  const arrived = (count: number) =>
    eventually(async () => expect((await stored(hostname)).length).toBeGreaterThanOrEqual(count));
  await machine.log(...numbered(0, 10));
  await arrived(10);

  await machine.log(...numbered(10, 5));
  await rename(machine.logFile, `${machine.logFile}.1`);
  await machine.log(...numbered(15, 5));
  await arrived(20);

  await truncate(machine.logFile);
  await machine.log(...numbered(20, 3));
  await arrived(23);

  await agent.stop();
  await machine.log(...numbered(23, 7));
  await rename(machine.logFile, `${machine.logFile}.2`);
  await machine.log(...numbered(30, 10));
  agent = machine.start(server.url);
  await arrived(40);

  await agent.stop();
  await writeFile(machine.logFile, numbered(40, 60).join('\n') + '\n');
  machine.start(server.url);
  await arrived(100);
  expect(await stored(hostname)).toEqual(numbered(0, 100));
});

test('a file that is rotated before the allocator could be reached for the first time loses no line', async () => {
  const hostname = name();
  await using machine = await createMachine(hostname);
  await using relay = await startRelay(() => server.url);
  relay.cut();
  await machine.log(...numbered(0, 10));
  machine.start(relay.url);
  await eventually(() => access(join(machine.home, 'state/logs.json')));
  await rename(machine.logFile, `${machine.logFile}.1`);
  await machine.log(...numbered(10, 10));
  relay.restore();
  await eventually(async () => expect(await stored(hostname)).toHaveLength(20));
  expect(await stored(hostname)).toEqual(numbered(0, 20));
});

test('a line that is being written while the allocator cannot be reached is shipped in one piece', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'lablink-follow-')), 'log');
  const saved = new Map<string, Position>();
  const positions = {
    get: (name: string) => saved.get(name),
    set: (name: string, at: Position) => Promise.resolve(void saved.set(name, at)),
  };
  const follower = createFollower(path, { positions, quietMs: 50 });
  await writeFile(path, 'half');
  await follower.look();
  const seenMs = Date.now();
  await vi.waitFor(() => expect(Date.now() - seenMs).toBeGreaterThan(60));
  await appendFile(path, ' of a line');
  expect(await follower.next(messageLimits)).toBeNull();
  await appendFile(path, '\n');
  expect((await follower.next(messageLimits))?.messages.map(({ text }) => text)).toEqual(['half of a line']);
  await follower.close();
});

test('long lines are shipped in pieces, bytes that are no text are replaced, and a line without an end is shipped after a while', async () => {
  const hostname = name();
  await using machine = await createMachine(hostname);
  const long = 'ü'.repeat(50_000);
  await writeFile(
    machine.logFile,
    Buffer.concat([
      Buffer.from(`${long}\nbad `),
      Buffer.from([0xff, 0xfe]),
      Buffer.from(' \u0000 byte\r\n\nlast'),
    ]),
  );
  machine.start(server.url);
  await eventually(async () => expect((await stored(hostname)).at(-1)).toBe('last'));
  const lines = await stored(hostname);
  expect(lines.slice(0, -3).join('')).toBe(long);
  expect(lines.slice(0, -3).every((line) => Buffer.byteLength(line) <= 32_768)).toBe(true);
  expect(lines.slice(-3)).toEqual(['bad \ufffd\ufffd \ufffd byte', '', 'last']);
});

test('the last lines are shipped before the agent stops', async () => {
  const hostname = name();
  await using machine = await createMachine(hostname);
  const agent = machine.start(server.url);
  await machine.log('first');
  await eventually(async () => expect(await stored(hostname)).toEqual(['first']));
  await machine.log('last words');
  await agent.stop();
  expect(await stored(hostname)).toEqual(['first', 'last words']);
});

test('lines that are too many for a proxy are shipped in smaller batches, and a line that is always refused is skipped', async () => {
  const hostname = name();
  await using machine = await createMachine(hostname);
  await machine.log(...numbered(0, 300), 'poison', ...numbered(300, 10));
  const fetchBehindProxy = async (request: Request) => {
    if (!request.url.endsWith('/api/vm-logs')) return fetch(request);
    const body = await request.clone().text();
    if (body.length > 4_000) return new Response('too much', { status: 413 });
    if (body.includes('poison')) return new Response('no', { status: 400 });
    return fetch(request);
  };
  const agent = machine.start(server.url, { dependencies: { fetch: fetchBehindProxy } });
  await eventually(async () => expect((await stored(hostname)).at(-1)).toBe('line 309 of the machine'));
  expect(await stored(hostname)).toEqual(numbered(0, 310));
  expect(agent.logged.filter((line) => line.includes('skipped'))).toEqual([
    `error a log line of ${machine.logFile} was skipped`,
  ]);
});
