import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { bodyEcho, LIMIT_BYTES } from './body-echo.ts';
import { ADMIN, problemOf, VM, wire } from './harness.ts';

describe('the size of a body', () => {
  const sized = (bytes: number): string => {
    const frame = JSON.stringify({ hostname: VM, status: 'running', x: '' });
    return JSON.stringify({ hostname: VM, status: 'running', x: 'x'.repeat(bytes - frame.length) });
  };

  test('a body may be as large as the limit of the endpoint, and no byte larger', async () => {
    await using t = await bodyEcho();
    expect((await t.http.post('/api/vm-status', sized(LIMIT_BYTES))).status).toBe(200);
    const over = await t.http.post('/api/vm-status', sized(LIMIT_BYTES + 1));
    expect(over.status).toBe(413);
    const problem = await problemOf(over);
    expect([problem.code, problem.detail]).toEqual([
      'body_too_large',
      expect.stringContaining('65536 bytes'),
    ]);
    expect(t.seen).toHaveLength(1);
  });

  test('each endpoint has its own limit for the size of a body', async () => {
    await using t = await bodyEcho();
    const batch = { log_group: 'g', log_stream: VM, messages: ['x'.repeat(200_000)] };
    expect((await t.http.post('/api/vm-logs', batch)).status).toBe(200);
  });

  test('the size of a body without a declared length is counted', async () => {
    await using t = await bodyEcho();
    const chunks = (function* () {
      for (let sent = 0; sent < 20; sent += 1) yield new TextEncoder().encode('x'.repeat(10_000));
    })();
    const response = await t.http.get('/api/vm-status', {
      method: 'POST',
      body: ReadableStream.from(chunks),
      headers: { 'content-type': 'application/json' },
      duplex: 'half',
    });
    expect(response.status).toBe(413);
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('the size of a body is counted after decompression (%s)', async (encoding, pack) => {
    await using t = await bodyEcho();
    const send = (body: Buffer) =>
      t.http.get('/api/vm-status', {
        method: 'POST',
        body: new Uint8Array(body),
        headers: { 'content-type': 'application/json', 'content-encoding': encoding },
      });
    expect((await send(pack(sized(1_000)))).status).toBe(200);
    expect((await send(pack(sized(LIMIT_BYTES + 1)))).status).toBe(413);
    expect((await send(pack(Buffer.alloc(20_000_000, ' ')))).status).toBe(413);
    expect((await send(pack(sized(1_000)).subarray(0, -10))).status).toBe(400);
    expect((await send(Buffer.from('not packed'))).status).toBe(400);
  });

  test('a body in an unknown encoding is answered with 415', async () => {
    await using t = await bodyEcho();
    const body = { hostname: VM, status: 'running' };
    expect((await t.http.post('/api/vm-status', body, { 'content-encoding': 'compress' })).status).toBe(415);
    // Ten bytes of it would make Node reserve 128 MiB.
    expect((await t.http.post('/api/vm-status', body, { 'content-encoding': 'zstd' })).status).toBe(415);
    expect((await t.http.post('/api/vm-status', body, { 'content-encoding': 'gzip, gzip' })).status).toBe(
      415,
    );
    expect((await t.http.post('/api/vm-status', body, { 'content-encoding': 'toString' })).status).toBe(415);
  });

  test('a body over the limit is answered before it has arrived, and the connection can be used again', async () => {
    await using t = await bodyEcho();
    const head =
      'POST /api/vm-status HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n';
    using client = await wire(t.http.port, head);
    await expect.poll(() => client.text()).toMatch(/^HTTP\/1\.1 413 [^]*body_too_large/);
    client.socket.write(`${'x'.repeat(900_000)}GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n`);
    await expect.poll(() => client.text()).toContain('HTTP/1.1 404 ');
  });
});

test.each([
  ['', 'x'.repeat(LIMIT_BYTES + 1)],
  [
    'Content-Encoding: gzip\r\n',
    gzipSync('')
      .toString('latin1')
      .repeat(LIMIT_BYTES / 20 + 1),
  ],
])('a chunked body over the limit is answered before it ends: %j', async (encoding, chunk) => {
  await using t = await bodyEcho();
  const head = `POST /api/vm-status HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${encoding}Transfer-Encoding: chunked\r\n\r\n`;
  using client = await wire(t.http.port, head);
  client.socket.write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`, 'latin1');
  await expect.poll(() => client.text()).toMatch(/^HTTP\/1\.1 413 [^]*body_too_large/);
  client.socket.write('0\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n');
  await expect.poll(() => client.text()).toContain('HTTP/1.1 404 ');
});

describe('bodies that nobody asked for', () => {
  test('a body that the endpoint does not take is read and dropped, within the limit', async () => {
    await using t = await bodyEcho();
    const path = '/api/v1/operations/0b0f4c0e-58a1-4f0e-9a38-6f6a5b1d2c11/cancel';
    const headers = { authorization: ADMIN, accept: 'text/html' };
    expect((await t.http.post(path, 'anything', headers)).status).toBe(200);
    expect((await t.http.post(path, 'x'.repeat(LIMIT_BYTES + 1), headers)).status).toBe(413);
  });

  test('the body of a GET is not read', async () => {
    await using t = await bodyEcho();
    using client = await wire(
      t.http.port,
      'GET /api/health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello' +
        'GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    await client.ended;
    expect(client.text().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 500', 'HTTP/1.1 404']);
  });
});

describe('a client that leaves in the middle of its body', () => {
  test('a client that leaves in the middle of its body is logged and gets no answer', async () => {
    await using t = await bodyEcho();
    const head =
      'POST /api/vm-status HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"ho';
    using client = await wire(t.http.port, head);
    await expect.poll(() => t.http.app.running()).toBe(1);
    client.socket.destroy();
    await vi.waitFor(() => expect(t.http.app.running()).toBe(0));
    expect(t.http.lines.map(({ level }) => level)).toEqual(['info']);
    expect(t.http.lines[0]).toMatchObject({ left: true, status: null });
    expect(t.seen).toEqual([]);
  });
});
