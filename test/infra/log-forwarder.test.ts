// The log forwarder with payloads as CloudWatch sends them, against a running allocator.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  BODY_LIMIT_BYTES,
  forward,
  handler,
  inBatches,
  LINE_LIMIT_CHARACTERS,
  LINES_LIMIT,
} from '../../infra/log-forwarder/index.mjs';
import { startRelay } from '../agent/relay.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const TOKEN = 'the-token-of-the-forwarder';
const GROUP = '/lablink/prod';

let server: TestServer;
let machines = 0;

beforeAll(async () => {
  server = await startTestServer({
    VM_AUTH: 'required',
    LOG_FORWARDER_TOKEN: TOKEN,
    MAX_LOG_BYTES_PER_VM: '10000000',
  });
});
afterAll(() => server[Symbol.asyncDispose]());

let complaints: string[];
beforeEach(() => {
  complaints = [];
  vi.spyOn(console, 'error').mockImplementation((line: string) => void complaints.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

type Line = { readonly id: string; readonly timestamp: number; readonly message: string };

/** Ids as CloudWatch's: 56 digits. */
const linesOf = (messages: readonly string[], first = 0): Line[] =>
  messages.map((message, index) => ({
    id: `3${String(first + index).padStart(55, '0')}`,
    timestamp: 1_795_600_000_000 + index,
    message,
  }));

function payload(logStream: string, logEvents: readonly Line[], messageType = 'DATA_MESSAGE'): string {
  const content = {
    messageType,
    owner: messageType === 'DATA_MESSAGE' ? '123456789012' : 'CloudwatchLogs',
    logGroup: messageType === 'DATA_MESSAGE' ? GROUP : '',
    logStream,
    subscriptionFilters: messageType === 'DATA_MESSAGE' ? ['lablink-prod-logs'] : [],
    logEvents,
  };
  return gzipSync(JSON.stringify(content)).toString('base64');
}

const settings = (parts: Partial<Parameters<typeof forward>[1]> = {}) => ({
  url: server.url,
  token: TOKEN,
  pausesMs: [10, 10],
  ...parts,
});

async function launched(): Promise<string> {
  const hostname = `lablink-vm-logs-${++machines}`;
  await server.admin.POST('/api/v1/vms', { body: { hostname } });
  return hostname;
}

async function stored(hostname: string): Promise<string[]> {
  const rows = await server.db
    .selectFrom('vm_logs')
    .select('line')
    .where('hostname', '=', hostname)
    .orderBy('id')
    .execute();
  return rows.map(({ line }) => line);
}

describe('delivered lines', () => {
  test('lines arrive unchanged and in order, with the token of the environment', async () => {
    const hostname = await launched();
    const messages = [
      'first',
      '',
      '  "quoted" \\ and äöü 日本語 😀',
      'tab\tand \u001b[31mred\u001b[0m',
      'last',
    ];
    vi.stubEnv('ALLOCATOR_URL', `${server.url}/`);
    vi.stubEnv('LOG_FORWARDER_TOKEN', TOKEN);
    const event = { awslogs: { data: payload(hostname, linesOf(messages)) } };
    expect(await handler(event)).toEqual({ sent: 5, dropped: 0 });
    expect(await stored(hostname)).toEqual(messages);
  });

  test('lines that AWS sends again are stored once, even if only some of them had arrived', async () => {
    const hostname = await launched();
    const lines = linesOf(['a', 'b', 'c', 'd']);
    await forward(payload(hostname, lines.slice(0, 2)), settings());
    await forward(payload(hostname, lines), settings());
    await forward(payload(hostname, lines), settings());
    expect(await stored(hostname)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('control messages of CloudWatch are ignored', async () => {
    const control = payload(
      '',
      linesOf(['CWL CONTROL MESSAGE: Checking health of destination']),
      'CONTROL_MESSAGE',
    );
    // Nobody listens there: nothing is sent.
    expect(await forward(control, settings({ url: 'http://127.0.0.1:9' }))).toEqual({ sent: 0, dropped: 0 });
    expect(await forward(payload('', linesOf(['x'])), settings({ url: 'http://127.0.0.1:9' }))).toEqual({
      sent: 0,
      dropped: 0,
    });
  });

  test('more lines than one request may contain become several requests, in order', async () => {
    const hostname = await launched();
    const messages = Array.from({ length: LINES_LIMIT + 500 }, (_, index) => `line ${index}`);
    expect(await forward(payload(hostname, linesOf(messages)), settings())).toEqual({
      sent: messages.length,
      dropped: 0,
    });
    expect(await stored(hostname)).toEqual(messages);
  });

  test('a line that is longer than a request is split between characters', async () => {
    const hostname = await launched();
    const long = 'x' + '😀'.repeat(LINE_LIMIT_CHARACTERS * 2);
    await forward(payload(hostname, linesOf(['before', long, 'after'])), settings());
    const lines = await stored(hostname);
    expect(lines.length).toBeGreaterThan(6);
    expect(lines.slice(1, -1).join('')).toBe(long);
    await forward(payload(hostname, linesOf(['before', long, 'after'])), settings());
    expect(await stored(hostname)).toEqual(lines);
  });
});

test('every batch stays within the limits of a request, whatever the lines contain', () => {
  const kinds = ['a', '"', '\u0001', 'ä', '日', '😀'];
  const lines = kinds.flatMap((kind, index) =>
    Array.from({ length: 40 }, (_, number) => ({
      id: `${index}-${number}`,
      message: kind.repeat(LINE_LIMIT_CHARACTERS / kind.length),
    })),
  );
  const batches = inBatches([...lines, ...linesOf(Array.from({ length: 25_000 }, () => ''))]);
  expect(batches.flat()).toHaveLength(lines.length + 25_000);
  for (const batch of batches) {
    const body = {
      log_group: 'g'.repeat(512),
      log_stream: 's'.repeat(253),
      messages: batch.map(({ message }) => message),
      event_ids: batch.map(({ id }) => id),
    };
    expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThan(BODY_LIMIT_BYTES + 1_000);
    expect(batch.length).toBeLessThanOrEqual(LINES_LIMIT);
  }
  expect(batches.length).toBeLessThan(60);
});

describe('undeliverable lines', () => {
  test('lines of an unknown machine are dropped and logged, because a retry would not help', async () => {
    const data = payload('lablink-vm-nobody-1', linesOf(['a', 'b']));
    expect(await forward(data, settings())).toEqual({ sent: 0, dropped: 2 });
    expect(complaints).toEqual(['lablink-vm-nobody-1: 2 lines dropped: the allocator answered 404']);
  });

  test('lines of a stream that is not a hostname are dropped', async () => {
    expect(await forward(payload('i-0a1/[$LATEST]', linesOf(['a'])), settings())).toEqual({
      sent: 0,
      dropped: 1,
    });
    expect(complaints[0]).toContain('the allocator answered 400');
  });

  test('late lines of a destroyed machine are accepted, and do not create the machine again', async () => {
    const hostname = await launched();
    await server.db.deleteFrom('vms').where('hostname', '=', hostname).execute();
    await server.db.insertInto('tombstones').values({ hostname }).execute();
    expect(await forward(payload(hostname, linesOf(['last words'])), settings())).toEqual({
      sent: 1,
      dropped: 0,
    });
    expect(await stored(hostname)).toEqual([]);
  });

  test('a wrong token fails at once, so that AWS retries', async () => {
    const hostname = await launched();
    const data = payload(hostname, linesOf(['a']));
    await expect(forward(data, settings({ token: 'wrong' }))).rejects.toThrow(
      `1 lines of ${hostname} could not be delivered: the allocator answered 401`,
    );
    expect(await stored(hostname)).toEqual([]);
  });

  test('an unreachable allocator is a failure after some attempts, and gets all lines if it comes back', async () => {
    const hostname = await launched();
    const data = payload(hostname, linesOf(['a', 'b']));
    await using relay = await startRelay(() => server.url);
    relay.cut();
    await expect(forward(data, settings({ url: relay.url }))).rejects.toThrow(
      'the allocator cannot be reached',
    );
    const delivered = forward(
      data,
      settings({ url: relay.url, pausesMs: Array.from({ length: 100 }, () => 50) }),
    );
    relay.restore();
    expect(await delivered).toEqual({ sent: 2, dropped: 0 });
    expect(await stored(hostname)).toEqual(['a', 'b']);
  });

  test('a batch that a proxy rejects as too large is halved, and only a line that is too large is dropped', async () => {
    const bodies: number[] = [];
    const proxy = createServer((request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () => {
        if (bytes <= 20_000) bodies.push(bytes);
        response.writeHead(bytes > 20_000 ? 413 : 200).end('{}');
      });
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const lines = linesOf([...Array.from({ length: 20 }, () => 'x'.repeat(4_000)), 'y'.repeat(30_000)]);
    const counts = await forward(
      payload('lablink-vm-1', lines),
      settings({ url: `http://127.0.0.1:${port}` }),
    );
    proxy.close();
    expect(counts).toEqual({ sent: 20, dropped: 1 });
    expect(bodies.length).toBeGreaterThan(3);
  });

  test('a busy or broken allocator is a failure after all attempts, but a single 503 is not', async () => {
    let left = 1;
    let requests = 0;
    const busy = createServer((_request, response) => {
      requests += 1;
      response.writeHead(left-- > 0 ? 503 : 200).end('{}');
    });
    busy.listen(0, '127.0.0.1');
    await once(busy, 'listening');
    const url = `http://127.0.0.1:${(busy.address() as AddressInfo).port}`;
    const data = payload('lablink-vm-1', linesOf(['a']));
    expect(await forward(data, settings({ url }))).toEqual({ sent: 1, dropped: 0 });
    expect(requests).toBe(2);
    left = 100;
    await expect(forward(data, settings({ url }))).rejects.toThrow('the allocator answered 503');
    expect(requests).toBe(5);
    busy.close();
  });

  test('an invalid event and missing settings are failures', async () => {
    await expect(forward(randomBytes(40).toString('base64'), settings())).rejects.toThrow();
    await expect(forward(gzipSync('{"hello": 1}').toString('base64'), settings())).rejects.toThrow(
      'not an event of CloudWatch Logs',
    );
    vi.stubEnv('ALLOCATOR_URL', '');
    await expect(handler({ awslogs: { data: '' } })).rejects.toThrow(
      'ALLOCATOR_URL and LOG_FORWARDER_TOKEN must be set',
    );
  });
});
