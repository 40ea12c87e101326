// What all bodies may take together, while they are read, unpacked and handled.
import { brotliCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { done, problemOf, startStub, VM, type Harness } from './harness.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
/** Of the endpoint for logs. */
const LOG_LIMIT_BYTES = 4_194_304;

function postPacked(http: Harness, body: Buffer): Promise<Response> {
  return http.get('/api/vm-logs', {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { ...JSON_TYPE, 'content-encoding': 'br' },
  });
}

function logBatch(bytes: number): string {
  return JSON.stringify({
    log_group: 'g',
    log_stream: VM,
    messages: Array.from({ length: bytes / 1_000 }, () => 'x'.repeat(997)),
  });
}

/** The most memory that the process has while the work runs, beyond what it had before, in MiB. */
async function grownMiB(work: () => Promise<unknown>): Promise<number> {
  const rssMiB = (): number => process.memoryUsage.rss() / 2 ** 20;
  const before = rssMiB();
  let most = before;
  const watching = setInterval(() => (most = Math.max(most, rssMiB())), 10);
  await work().finally(() => clearInterval(watching));
  return most - before;
}

describe('compressed bodies that unpack to much', () => {
  test('a hundred of them at once are unpacked a few at a time, in little memory', async () => {
    await using http = await startStub({ postVmLogs: () => done });
    const bomb = brotliCompressSync(Buffer.alloc(LOG_LIMIT_BYTES + 100_000, ' '));
    expect(bomb.length).toBeLessThan(20);
    expect((await postPacked(http, bomb)).status).toBe(413);
    const statuses: number[] = [];
    const grown = await grownMiB(async () => {
      const answers = await Promise.all(Array.from({ length: 100 }, () => postPacked(http, bomb)));
      statuses.push(...answers.map(({ status }) => status));
    });
    expect(new Set(statuses)).toEqual(new Set([413]));
    expect(grown).toBeLessThan(120);
  });

  test('beyond those that may wait to be unpacked, one is answered with 503', async () => {
    await using http = await startStub(
      { postVmLogs: () => done },
      { limits: { bodiesUnpackedAtOnce: 1, bodiesWaitingToUnpack: 3 } },
    );
    const packed = brotliCompressSync(logBatch(4_000_000));
    const answers = await Promise.all(Array.from({ length: 40 }, () => postPacked(http, packed)));
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(0);
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(4);
    expect(refused[0]?.headers.get('retry-after')).toBe('5');
    expect((await problemOf(refused[0] ?? Response.error())).code).toBe('overloaded');
    expect((await postPacked(http, packed)).status).toBe(200);
  });
});

describe('the bytes of all bodies together', () => {
  async function slowLogs() {
    const held: (() => void)[] = [];
    const http = await startStub(
      {
        postVmLogs: () => new Promise((resolve) => held.push(() => resolve(done))),
        updateVmStatus: () => done,
      },
      { limits: { bodiesBytes: 250_000, smallBodyBytes: 4_096 } },
    );
    return { http, held, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() };
  }

  test.each([
    ['plain', (http: Harness) => http.post('/api/vm-logs', logBatch(100_000))],
    ['compressed', (http: Harness) => postPacked(http, brotliCompressSync(logBatch(100_000)))],
  ])('beyond the budget, a %s body is answered with 503 until others are done', async (_kind, post) => {
    await using t = await slowLogs();
    const both = [post(t.http), post(t.http)];
    await expect.poll(() => t.held.length).toBe(2);
    const third = await post(t.http);
    expect([third.status, (await problemOf(third)).code]).toEqual([503, 'overloaded']);
    t.held.splice(0).forEach((answer) => answer());
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual([200, 200]);
    const later = post(t.http);
    await expect.poll(() => t.held.length).toBe(1);
    t.held[0]?.();
    expect((await later).status).toBe(200);
  });

  test('a small body is taken although large ones have used up the budget', async () => {
    await using t = await slowLogs();
    const both = [1, 2].map(() => t.http.post('/api/vm-logs', logBatch(100_000)));
    await expect.poll(() => t.held.length).toBe(2);
    expect((await t.http.post('/api/vm-logs', logBatch(100_000))).status).toBe(503);
    expect((await t.http.post('/api/vm-status', { hostname: VM, status: 'running' })).status).toBe(200);
    t.held.forEach((answer) => answer());
    await Promise.all(both);
  });

  test('a client that leaves gives back what its body has taken', async () => {
    await using t = await slowLogs();
    const controller = new AbortController();
    const { signal } = controller;
    const init = { method: 'POST', body: logBatch(200_000), headers: JSON_TYPE, signal };
    const leaving = t.http.get('/api/vm-logs', init).catch(() => 'left');
    await expect.poll(() => t.held.length).toBe(1);
    controller.abort();
    expect(await leaving).toBe('left');
    await expect.poll(() => t.http.app.running()).toBe(0);
    const next = t.http.post('/api/vm-logs', logBatch(200_000));
    await expect.poll(() => t.held.length).toBe(2);
    t.held[1]?.();
    expect((await next).status).toBe(200);
  });
});
