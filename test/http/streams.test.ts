import { Readable } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import type { AnyReply } from '../../src/contract/handlers.ts';
import { ADMIN, startStub, wire } from './harness.ts';

const admin = { headers: { authorization: ADMIN } };
const zip = (body: Readable): AnyReply => ({
  status: 200,
  type: 'application/zip',
  body,
  headers: { 'Content-Disposition': 'attachment; filename="all.zip"' },
});

describe('streams of bytes', () => {
  test('streams of bytes are sent as they come', async () => {
    await using http = await startStub({ downloadData: () => zip(Readable.from(['PK', '-one', '-two'])) });
    const response = await http.get('/api/scp-client', admin);
    expect(response.headers.get('content-type')).toBe('application/zip');
    expect(response.headers.get('content-disposition')).toContain('all.zip');
    expect(await response.text()).toBe('PK-one-two');
  });

  test('a stream adds few listeners to its response, so that Node does not warn of a leak', async () => {
    const warned = vi.fn();
    process.on('warning', warned);
    await using http = await startStub({ downloadData: () => zip(Readable.from(['PK', '-one'])) });
    expect(await (await http.get('/api/scp-client', admin)).text()).toBe('PK-one');
    // Warnings come after the tick.
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', warned);
    expect(warned.mock.calls.map(([warning]) => String(warning))).toEqual([]);
  });

  test('streams of bytes may be empty', async () => {
    await using http = await startStub({ downloadData: () => zip(Readable.from([])) });
    expect(await (await http.get('/api/scp-client', admin)).text()).toBe('');
  });

  test('streams of bytes are read no faster than the client takes them', async () => {
    let made = 0;
    const endless = (function* () {
      for (;;) {
        made += 1;
        yield Buffer.alloc(65_536);
      }
    })();
    const body = Readable.from(endless);
    await using http = await startStub({ downloadData: () => zip(body) });
    using client = await wire(http.port);
    client.socket.pause();
    client.socket.write(`GET /api/scp-client HTTP/1.1\r\nHost: x\r\nAuthorization: ${ADMIN}\r\n\r\n`);
    let before = -1;
    await expect
      .poll(
        () => {
          const still = made > 0 && made === before;
          before = made;
          return still;
        },
        { interval: 100 },
      )
      .toBe(true);
    expect(made).toBeLessThan(2_000);
    client.socket.destroy();
    await expect.poll(() => body.destroyed).toBe(true);
    expect(http.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('streams of bytes that fail before their first byte are a problem', async () => {
    const body = new Readable({ read: () => body.destroy(new Error('ssh is away')) });
    await using http = await startStub({ downloadData: () => zip(body) });
    expect((await http.get('/api/scp-client', admin)).status).toBe(500);
  });

  test('streams of bytes that fail later cut the connection, so that half a file is not mistaken for a whole one', async () => {
    let reads = 0;
    const body: Readable = new Readable({
      read: () => {
        reads += 1;
        if (reads === 1) body.push('PK');
        else body.destroy(new Error('ssh is away'));
      },
    });
    await using http = await startStub({ downloadData: () => zip(body) });
    await expect(http.get('/api/scp-client', admin).then((response) => response.text())).rejects.toThrow();
    await expect.poll(() => http.lines.map(({ message }) => message)).toContain('A stream broke off.');
  });

  test('streams of bytes are not begun for HEAD', async () => {
    const read = vi.fn();
    const body = new Readable({ read });
    await using http = await startStub({ downloadData: () => zip(body) });
    const response = await http.get('/api/scp-client', { method: 'HEAD', ...admin });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/zip']);
    expect(body.destroyed).toBe(true);
    expect(read).not.toHaveBeenCalled();
  });
});

describe('streams of events', () => {
  const events = (body: AsyncIterable<unknown>): AnyReply => ({
    status: 200,
    type: 'text/event-stream',
    body,
  });
  const path = '/api/v1/vms/events';

  test('streams of events are formatted, and end with their source', async () => {
    await using http = await startStub({
      streamVmChanges: () =>
        events(
          (async function* () {
            yield await Promise.resolve({ id: '7', event: 'vms', data: { text: 'two\nlines' } });
            yield { data: null };
            yield { id: 'a\nb', event: 'c\r\nd', data: 1 };
          })(),
        ),
    });
    const response = await http.get(path, admin);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    expect(await response.text()).toBe(
      ':\n\nevent: vms\nid: 7\ndata: {"text":"two\\nlines"}\n\ndata: null\n\nevent: cd\nid: ab\ndata: 1\n\n',
    );
  });

  test('streams of events send a heartbeat while nothing happens, and end when the client leaves', async () => {
    let ended = false;
    await using http = await startStub(
      {
        streamVmChanges: ({ signal }) =>
          events(
            (async function* () {
              try {
                yield { data: 'first' };
                await new Promise((resolve) => signal.addEventListener('abort', resolve));
              } finally {
                ended = true;
              }
            })(),
          ),
      },
      { limits: { heartbeatMs: 10 } },
    );
    using client = await wire(
      http.port,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${ADMIN}\r\n\r\n`,
    );
    await expect.poll(() => client.text().split('\r\n:\n\n\r\n').length).toBeGreaterThan(4);
    client.socket.destroy();
    await expect.poll(() => ended).toBe(true);
    await expect.poll(() => http.app.running()).toBe(0);
  });

  test('streams of events are read no faster than the client takes them', async () => {
    let made = 0;
    await using http = await startStub({
      streamVmChanges: () =>
        events(
          (async function* () {
            for (;;) {
              made += 1;
              yield await Promise.resolve({ data: 'x'.repeat(65_536) });
            }
          })(),
        ),
    });
    using client = await wire(http.port);
    client.socket.pause();
    client.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${ADMIN}\r\n\r\n`);
    let before = -1;
    await expect
      .poll(
        () => {
          const still = made > 0 && made === before;
          before = made;
          return still;
        },
        { interval: 100 },
      )
      .toBe(true);
    expect(made).toBeLessThan(2_000);
  });

  test('streams of events that fail cut the connection, so that EventSource reconnects', async () => {
    await using http = await startStub({
      streamVmChanges: () =>
        events(
          (async function* () {
            yield await Promise.resolve({ data: 1 });
            throw new Error('the feed broke');
          })(),
        ),
    });
    await expect(http.get(path, admin).then((response) => response.text())).rejects.toThrow();
    expect(http.lines.map(({ message }) => message)).toContain('A stream of events broke off.');
  });

  test('streams of events end at once when the server stops', async () => {
    await using http = await startStub({
      streamVmChanges: () =>
        events(
          (async function* () {
            yield { data: 1 };
            await new Promise(() => undefined);
          })(),
        ),
    });
    const response = await http.get(path, admin);
    const text = response.text();
    await http.server.stop(60_000);
    expect(await text).toContain('data: 1');
  });
});
