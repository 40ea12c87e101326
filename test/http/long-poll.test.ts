import { describe, expect, test } from 'vitest';
import type { AnyInput } from '../../src/contract/erased.ts';
import type { AnyReply } from '../../src/contract/handlers.ts';
import { problem } from '../../src/contract/problems.ts';
import type { HttpOptions } from '../../src/http/options.ts';
import { json, problemOf, startStub, VM, wire } from './harness.ts';

const DELIVERY = {
  status: 'success',
  pin: '482913',
  command: 'start-host --code=x',
  assignment_id: '0b0f4c0e-58a1-4f0e-9a38-6f6a5b1d2c11',
  command_number: 1,
};
const QUICK = { limits: { keepAliveSecondMs: 1 } };
const HALF_A_POLL = `POST /vm_startup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"hostname":`;

/** Polls that wait until the test replies. */
async function waitingServer(options: Partial<HttpOptions> = {}) {
  const waiting: { reply: (reply: AnyReply) => void; fail: (error: Error) => void; signal: AbortSignal }[] =
    [];
  const http = await startStub(
    {
      vmStartup: ({ signal }: AnyInput) =>
        new Promise<AnyReply>((reply, fail) => {
          waiting.push({ reply, fail, signal });
          signal.addEventListener('abort', () => reply(problem('stopping')));
        }),
    },
    options,
  );
  const poll = () => http.post('/vm_startup', { hostname: VM });
  const pollOnWire = async () => {
    const body = JSON.stringify({ hostname: VM });
    const head = 'POST /vm_startup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    return wire(http.port, `${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  };
  return { http, poll, pollOnWire, waiting, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() };
}

const spaces = (text: string): number => text.split('\r\n1\r\n \r\n'.slice(2)).length - 1;

describe('a poll that waits', () => {
  test('a poll that waits is answered like any other before the first space', async () => {
    await using t = await waitingServer();
    const delivered = t.poll();
    await expect.poll(() => t.waiting.length).toBe(1);
    t.waiting[0]?.reply(json(DELIVERY));
    expect(await (await delivered).json()).toEqual(DELIVERY);
    const refused = t.poll();
    await expect.poll(() => t.waiting.length).toBe(2);
    t.waiting[1]?.reply(problem('poll_superseded'));
    expect([(await refused).status, (await problemOf(await refused)).code]).toEqual([409, 'poll_superseded']);
  });

  test('a poll that waits is sent spaces, then its JSON, which any parser reads', async () => {
    await using t = await waitingServer(QUICK);
    using client = await t.pollOnWire();
    await expect.poll(() => spaces(client.text())).toBeGreaterThan(3);
    expect(client.text()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(client.text()).toMatch(/X-Accel-Buffering: no\r\n/);
    expect(client.text()).toMatch(/Content-Type: application\/json\r\n/);
    expect(client.text()).toMatch(/X-Request-Id: /);
    t.waiting[0]?.reply(json(DELIVERY));
    await expect.poll(() => client.text()).toMatch(/\r\n0\r\n\r\n$/);
    const parsed = t.poll();
    await expect.poll(() => t.waiting.length).toBe(2);
    const response = await parsed;
    t.waiting[1]?.reply(json(DELIVERY));
    const text = await response.text();
    expect(text).toMatch(/^ +\{/);
    expect(JSON.parse(text)).toEqual(DELIVERY);
  });

  test.each([
    ['a problem', ({ reply }: { reply: (reply: AnyReply) => void }) => reply(problem('poll_superseded'))],
    ['an outage', ({ fail }: { fail: (error: Error) => void }) => fail(new Error('the database is away'))],
  ])('a poll that waits is cut by %s after the first space', async (_, end) => {
    await using t = await waitingServer(QUICK);
    const response = await t.poll();
    const [waiter] = t.waiting;
    expect(waiter).toBeDefined();
    if (waiter) end(waiter);
    await expect(response.text()).rejects.toThrow();
    await expect.poll(() => t.http.app.running()).toBe(0);
  });

  test('a poll that waits tells its handler when the client leaves, and leaves nothing behind', async () => {
    await using t = await waitingServer(QUICK);
    const client = await t.pollOnWire();
    await expect.poll(() => spaces(client.text())).toBeGreaterThan(0);
    client.socket.destroy();
    await expect.poll(() => t.waiting[0]?.signal.aborted).toBe(true);
    await expect.poll(() => t.http.app.running()).toBe(0);
    expect(t.http.lines.map(({ level, left }) => [level, left])).toEqual([['info', true]]);
  });

  test('a poll that waits tells its handler also where the client half-closes the connection and is gone', async () => {
    await using t = await waitingServer(QUICK);
    const client = await t.pollOnWire();
    await expect.poll(() => t.waiting.length).toBe(1);
    client.socket.end();
    client.socket.destroy();
    await expect.poll(() => t.waiting[0]?.signal.aborted).toBe(true);
  });

  test('a poll that waits outlives the time limit of requests, which is about their arrival', async () => {
    await using t = await waitingServer({
      limits: { requestTimeoutMs: 60, headersTimeoutMs: 50, timeoutCheckMs: 10 },
    });
    const delivered = t.poll();
    await expect.poll(() => t.waiting.length).toBe(1);
    const slow = await wire(t.http.port, HALF_A_POLL);
    await slow.ended;
    expect(slow.text()).toMatch(/^HTTP\/1\.1 408 /);
    t.waiting[0]?.reply(json(DELIVERY));
    expect((await delivered).status).toBe(200);
  });

  test('a poll that waits is answered with 503 when the server stops before the first space', async () => {
    await using t = await waitingServer();
    const waiting = t.poll();
    await expect.poll(() => t.waiting.length).toBe(1);
    const stopped = t.http.server.stop(60_000);
    const response = await waiting;
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await problemOf(response)).code).toBe('stopping');
    await stopped;
  });

  test('a poll that waits is cut when the server stops after the first space', async () => {
    await using t = await waitingServer(QUICK);
    const response = await t.poll();
    const text = response.text().catch(() => 'cut');
    await t.http.server.stop(60_000);
    expect(await text).toBe('cut');
  });

  test('a poll that waits is logged once, at its end', async () => {
    await using t = await waitingServer();
    const delivered = t.poll();
    await expect.poll(() => t.waiting.length).toBe(1);
    expect(t.http.lines).toEqual([]);
    t.waiting[0]?.reply(json(DELIVERY));
    await (await delivered).text();
    await expect.poll(() => t.http.lines.length).toBe(1);
    expect(t.http.lines[0]).toMatchObject({
      level: 'info',
      endpoint: 'vmStartup',
      status: 200,
      path: '/vm_startup',
    });
  });

  test('a poll that waits is cut when its client reads nothing', async () => {
    await using t = await waitingServer({ limits: { keepAliveSecondMs: 1, unreadSpacesBytes: -1 } });
    const response = await t.poll().catch(() => null);
    await expect(response === null ? Promise.reject(new Error('cut')) : response.text()).rejects.toThrow();
    await expect.poll(() => t.waiting[0]?.signal.aborted).toBe(true);
  });
});
