import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { AnyReply } from '../../src/contract/handlers.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { done, json, problemOf, startStub, VM, wire } from './harness.ts';

const LIVE = 'GET /api/health/live HTTP/1.1\r\nHost: x\r\n\r\n';
const live = { getLiveness: () => json({ status: 'ok' }) };
const REPORT = JSON.stringify({ hostname: VM, status: 'running' });

describe('starting', () => {
  test('a started server knows its port and its address', async () => {
    await using http = await startStub(live);
    expect(http.url).toBe(`http://127.0.0.1:${http.port}`);
    expect((await fetch(`${http.url}/api/health/live`)).status).toBe(200);
  });

  test('a start on a port in use fails with what to do', async () => {
    await using http = await startStub();
    const { app } = http;
    const log = { debug: noop, info: noop, warn: noop, error: noop, child: () => log };
    const second = await startHttpServer({ app, host: '127.0.0.1', port: http.port, log });
    expect(second).toEqual({
      ok: false,
      failure: {
        code: 'listen',
        message: `Port ${http.port} of 127.0.0.1 is in use by another program.`,
        remedy: 'Stop that program, or set PORT to another port.',
      },
    });
    const elsewhere = await startHttpServer({ app, host: '192.0.2.1', port: 0, log });
    expect(elsewhere).toMatchObject({
      ok: false,
      failure: { message: '192.0.2.1 is not an address of this machine.' },
    });
  });
});

const noop = (): void => undefined;

describe('what is no proper HTTP', () => {
  const quick = {
    limits: { headersTimeoutMs: 60, requestTimeoutMs: 80, timeoutCheckMs: 10, headerBytes: 2_000 },
  };

  test.each([
    ['garbage', 'what is this\r\n\r\n', 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['a header without a name', 'GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    [
      'a damaged chunk',
      'POST /api/vm-status HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
    ],
    ['huge headers', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(3_000)}\r\n\r\n`, 431],
    ['a huge address', `GET /${'x'.repeat(3_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    ['headers that do not end', 'GET / HTTP/1.1\r\nHost: x\r\n', 408],
    ['a request line that does not end', 'GET / HT', 408],
    [
      'a body that does not end',
      'POST /api/vm-status HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{',
      408,
    ],
  ])('invalid HTTP (%s) is refused, and the connection is closed', async (_, text, status) => {
    await using http = await startStub(live, quick);
    using client = await wire(http.port, text);
    await client.ended;
    expect(client.text()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(client.text().match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(http.lines.filter(({ level }) => level === 'error')).toEqual([]);
    expect((await http.get('/api/health/live')).status).toBe(200);
  });

  test.each([
    ['two Host headers', 'Host: x\r\nHost: y\r\n', 400],
    ['the same Host header twice', 'Host: x\r\nHost: x\r\n', 400],
    ['no Host header', '', 400],
    ['an unknown expectation', 'Host: x\r\nExpect: a-pony\r\n', 200],
  ])('a request with %s is answered with the headers of every answer', async (_, headers, status) => {
    await using http = await startStub(live, quick);
    using client = await wire(
      http.port,
      `GET /api/health/live HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`,
    );
    await client.ended;
    expect(client.text()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(client.text()).toMatch(/content-security-policy: /i);
    expect(client.text()).toMatch(/cross-origin-opener-policy: same-origin/i);
    expect(client.text()).toMatch(/permissions-policy: camera=\(\)/i);
    expect(client.text()).not.toMatch(/strict-transport-security/i);
  });

  test('a name that is not the server’s is refused, with what to do, also where it is a health check', async () => {
    await using http = await startStub(live, {
      isOwnHost: (name) => ['localhost', '::1', 'lab.example.org'].includes(name),
    });
    const asked = async (host: string) => {
      using client = await wire(
        http.port,
        `GET /api/health/live HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      await client.ended;
      return client.text();
    };
    for (const own of ['localhost', 'LOCALHOST:5000', '[::1]:5000', 'lab.example.org'])
      expect(await asked(own)).toMatch(/^HTTP\/1\.1 200 /);
    for (const other of [
      'evil.example',
      'evil.example:5000',
      'localhost.evil.example',
      'localhost@evil.example',
      'a b',
      '',
    ])
      expect(await asked(other)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await asked('evil.example')).toContain('set PUBLIC_URL');
  });

  test('a connection that sends many requests without waiting is cut before most of them are begun; a few are answered', async () => {
    let begun = 0;
    await using http = await startStub({
      getUnassignedVmsCount: () => {
        begun += 1;
        return json({ count: 0 });
      },
    });
    const request = 'GET /api/unassigned_vms_count HTTP/1.1\r\nHost: x\r\n\r\n';
    using few = await wire(http.port, request.repeat(4));
    await expect.poll(() => few.text().match(/HTTP\/1\.1 200 /g)?.length).toBe(4);
    few.socket.write(request);
    await expect.poll(() => few.text().match(/HTTP\/1\.1 200 /g)?.length).toBe(5);
    begun = 0;
    using many = await wire(http.port, request.repeat(100));
    await many.ended;
    expect(begun).toBeLessThanOrEqual(4);
    expect((await http.get('/api/unassigned_vms_count')).status).toBe(200);
  });

  test('browsers are told to stay with https where the public address is https', async () => {
    await using http = await startStub(live, { publicUrl: 'https://lab.example.org' });
    const { headers } = await http.get('/api/health/live');
    expect(headers.get('strict-transport-security')).toBe('max-age=31536000');
  });

  test('a connection on which nothing is sent is closed', async () => {
    await using http = await startStub(live, quick);
    using client = await wire(http.port);
    await client.ended;
    expect(client.text()).not.toMatch(/HTTP\/1\.1 [235]/);
  });
});

describe('connections', () => {
  test('a half-closed connection counts as left, because a client that died looks the same', async () => {
    let signal: AbortSignal | null = null;
    await using http = await startStub({
      getLiveness: (input) => {
        signal = input.signal;
        return new Promise(() => undefined);
      },
    });
    using client = await wire(http.port, LIVE);
    await expect.poll(() => signal).not.toBeNull();
    client.socket.end();
    await expect.poll(() => signal).toMatchObject({ aborted: true });
    await client.ended;
  });

  test('connections that speak HTTP/1.0 are answered and closed', async () => {
    await using http = await startStub(live);
    using client = await wire(http.port, 'GET /api/health/live HTTP/1.0\r\n\r\n');
    await client.ended;
    expect(client.text()).toMatch(/^HTTP\/1\.1 200 [^]*\{"status":"ok"\}$/);
  });

  test('a request to upgrade is answered in HTTP/1.1', async () => {
    await using http = await startStub(live);
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
    using client = await wire(http.port, `GET /api/health/live HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`);
    await expect.poll(() => client.text()).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('Expect: 100-continue', () => {
  const head = (length: number, more = '') =>
    `POST /api/vm-status HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n${more}Content-Length: ${length}\r\n\r\n`;

  test('a client that sends Expect: 100-continue gets 100 where the body is wanted', async () => {
    await using http = await startStub({ updateVmStatus: () => done });
    using client = await wire(http.port, head(REPORT.length));
    await expect.poll(() => client.text()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    client.socket.write(REPORT);
    await expect.poll(() => client.text()).toMatch(/HTTP\/1\.1 200 OK/);
  });

  test.each([
    ['too large', head(1_000_000), 413],
    ['sent by nobody we know', head(REPORT.length, 'Authorization: Bearer nobody\r\n'), 401],
  ])(
    'a body announced with Expect: 100-continue is refused before it is sent where it is %s',
    async (_, text, status) => {
      await using http = await startStub();
      using client = await wire(http.port, text);
      await client.ended;
      expect(client.text()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*Connection: close`));
    },
  );
});

describe('stopping', () => {
  test('a server that stops finishes running requests, refuses new ones on kept connections, and ends', async () => {
    let finish: (reply: AnyReply) => void = noop;
    await using http = await startStub({
      ...live,
      updateVmStatus: () => new Promise((resolve) => (finish = resolve)),
      getUnassignedVmsCount: () => json({ count: 1 }),
    });
    const running = http.post('/api/vm-status', REPORT);
    await expect.poll(() => http.app.running()).toBe(1);
    // Both wait on one connection: the second request comes while the server stops already.
    using kept = await wire(
      http.port,
      'GET /api/unassigned_vms_count HTTP/1.1\r\nHost: x\r\n\r\nGET /api/un',
    );
    await expect.poll(() => kept.text()).toMatch(/"count":1/);
    const stopped = http.server.stop(60_000);
    kept.socket.write('assigned_vms_count HTTP/1.1\r\nHost: x\r\n\r\n');
    await kept.ended;
    expect(kept.text()).toMatch(/HTTP\/1\.1 503 [^]*Connection: close[^]*"code":"stopping"/);
    await expect(fetch(http.url)).rejects.toThrow();
    finish(done);
    const response = await running;
    expect([response.status, response.headers.get('connection')]).toEqual([200, 'close']);
    await response.text();
    await stopped;
  });

  test('new requests are refused as soon as the process is stopping', async () => {
    let stopping = false;
    await using http = await startStub(live, { isStopping: () => stopping });
    stopping = true;
    const refused = await http.get('/api/unassigned_vms_count');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await problemOf(refused)).code).toBe('stopping');
    expect((await http.get('/api/health/live')).status).toBe(200);
  });

  test('a server that stops ends running requests after the grace period and aborts their signals', async () => {
    let signal: AbortSignal | null = null;
    await using http = await startStub({
      updateVmStatus: (input) => {
        signal = input.signal;
        return new Promise(() => undefined);
      },
    });
    const running = http.post('/api/vm-status', REPORT).catch(() => 'cut');
    await expect.poll(() => signal).not.toBeNull();
    expect(signal).toMatchObject({ aborted: false });
    await http.server.stop(10);
    expect(await running).toBe('cut');
    expect(signal).toMatchObject({ aborted: true });
  });

  test('a kill during a stop cuts every connection', async () => {
    await using http = await startStub({ updateVmStatus: () => new Promise(() => undefined) });
    const running = http.post('/api/vm-status', REPORT).catch(() => 'cut');
    await expect.poll(() => http.app.running()).toBe(1);
    using idle = await wire(http.port);
    const stopped = http.server.stop(60_000);
    await http.server.kill();
    await stopped;
    await idle.ended;
    expect(await running).toBe('cut');
    expect(http.app.running()).toBe(0);
  });

  test('a server that stops does not wait for idle connections', async () => {
    await using http = await startStub(live);
    using silent = await wire(http.port);
    using idle = await wire(http.port, LIVE);
    await expect.poll(() => idle.text()).toMatch(/200 OK/);
    await http.server.stop(60_000);
    await Promise.all([silent.ended, idle.ended]);
  });

  test('a server that has stopped frees its port', async () => {
    await using http = await startStub();
    await http.server.stop(0);
    const next = createServer();
    await new Promise<void>((resolve) => next.listen(http.port, '127.0.0.1', resolve));
    expect((next.address() as AddressInfo).port).toBe(http.port);
    await new Promise((resolve) => next.close(resolve));
  });
});
