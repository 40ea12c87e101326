// Clients that behave badly: slow ones, those that leave, those that speak no HTTP. The server lives, and nothing changes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asAdmin } from '../support/bad-requests.ts';
import { dumpRows } from '../support/dump-rows.ts';
import { openSocket, sendRaw } from '../support/raw-http.ts';
import { FREE, seedLab } from '../support/example-rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  await seedLab(server.db);
});
afterAll(() => server[Symbol.asyncDispose]());

async function expectAlive(): Promise<void> {
  expect((await sendRaw(server.url, { path: '/api/health' })).status).toBe(200);
}

describe('a client', () => {
  const head = (length: number): string =>
    `POST /api/vm-status HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
  const body = JSON.stringify({ hostname: 'slow-coach', status: 'running' });

  test('a client that leaves in the middle of its body changes nothing', async () => {
    const before = await dumpRows(server.db);
    const logged = server.logLines.length;
    const socket = await openSocket(server.url);
    socket.write(head(body.length) + body.slice(0, 10));
    // Until the server has read the head, there is nothing to leave.
    await expectAlive();
    socket.hangUp();
    await expect.poll(() => server.logLines.slice(logged).join('')).toContain('ended before its answer');
    expect(await dumpRows(server.db)).toEqual(before);
    await expectAlive();
  });

  test('a client that sends its body a byte at a time is answered and delays nobody else', async () => {
    const socket = await openSocket(server.url);
    socket.write(head(body.length));
    for (const byte of body) {
      socket.write(byte);
      await expectAlive();
    }
    await expect.poll(() => socket.received()).toContain('HTTP/1.1 200');
  });

  test('cookies of 32 KiB are accepted, and more get a page that says what to do', async () => {
    const withCookie = (length: number) =>
      sendRaw(server.url, {
        path: '/',
        headers: { Cookie: `_ga=${'x'.repeat(length)}`, Accept: 'text/html' },
      });
    expect((await withCookie(32_768)).status).toBe(200);
    const refused = await withCookie(50_000);
    expect(refused).toMatchObject({ status: 431, type: 'text/html' });
    expect(refused.text).toContain('<h1>Your browser sent too many cookies</h1>');
    expect(refused.text).toContain('Delete the cookies of this site');
    await expectAlive();
  });

  test('a client that does not speak HTTP gets a 400, and the connection is closed', async () => {
    const socket = await openSocket(server.url);
    socket.write('\x16\x03\x01 hello?\r\n\r\n');
    await socket.closed;
    expect(socket.received()).toMatch(/^HTTP\/1\.1 400 /);
    await expectAlive();
  });

  test('a client that sends two lengths, or an invalid one, gets a 400', async () => {
    for (const lengths of [
      'Content-Length: 2\r\nContent-Length: 3',
      'Content-Length: two',
      'Content-Length: -1',
    ]) {
      const socket = await openSocket(server.url);
      socket.write(`POST /api/vm-status HTTP/1.1\r\nHost: localhost\r\n${lengths}\r\n\r\n{}`);
      await socket.closed;
      expect(socket.received()).toMatch(/^HTTP\/1\.1 400 /);
    }
    await expectAlive();
  });

  test('a client that leaves while it polls is forgotten', async () => {
    const socket = await openSocket(server.url);
    const poll = JSON.stringify({ hostname: FREE[0] });
    socket.write(
      `POST /vm_startup HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${poll.length}\r\n\r\n${poll}`,
    );
    const waits = async (): Promise<unknown> => {
      const { text } = await sendRaw(server.url, asAdmin({ path: `/api/v1/vms/${FREE[0]}` }));
      return (JSON.parse(text) as { waiting: boolean }).waiting;
    };
    await expect.poll(waits).toBe(true);
    socket.hangUp();
    await expect.poll(waits).toBe(false);
  });
});
