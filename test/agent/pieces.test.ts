import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parseTimings, readConfig } from '../../src/agent/config.ts';
import { cutMessages, messageLimits } from '../../src/agent/logs/messages.ts';
import { isRunning } from '../../src/agent/reports.ts';
import { atLeastMs, backoffMs, readRetryAfter } from '../../src/agent/requests.ts';

describe('a back-off', () => {
  const limits = { backoffFirstMs: 1_000, backoffMaxMs: 15_000 };

  test('a back-off doubles up to its limit, however many attempts there were', () => {
    const ceilings = [0, 1, 2, 3, 4, 5, 5_000].map((attempt) => backoffMs(attempt, limits, 1));
    expect(ceilings).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  test('a back-off is spread over its whole range, but is never zero', () => {
    expect(backoffMs(3, limits, 0)).toBe(50);
    expect(backoffMs(3, limits, 0.5)).toBe(4_000);
  });

  test('Retry-After is honoured up to five minutes, and spread', () => {
    expect([atLeastMs(5_000, 0), atLeastMs(5_000, 1)]).toEqual([5_000, 7_500]);
    expect(atLeastMs(86_400_000, 0)).toBe(300_000);
    const now = Date.UTC(2026, 0, 1);
    expect(readRetryAfter('7', now)).toBe(7_000);
    expect(readRetryAfter('Thu, 01 Jan 2026 00:00:09 GMT', now)).toBe(9_000);
    expect(readRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
    expect([null, '', 'soon'].map((header) => readRetryAfter(header, now))).toEqual([null, null, null]);
  });
});

describe('log messages', () => {
  const limits = { batchBytes: 400, batchMessages: 5, pieceBytes: 100 };
  const cut = (bytes: Uint8Array, offset = 0, takeRest = false) =>
    cutMessages(bytes, { generation: 'g', offset }, { limits, takeRest });

  test('log messages are lines with ids of their position, and a line without its end is not taken', () => {
    expect(cut(Buffer.from('one\ntwo\r\n\nthr'), 10)).toEqual({
      messages: [
        { text: 'one', id: 'g:10-14' },
        { text: 'two', id: 'g:14-19' },
        { text: '', id: 'g:19-20' },
      ],
      usedBytes: 10,
    });
    expect(cut(Buffer.from('thr'), 20)).toEqual({ messages: [], usedBytes: 0 });
    expect(cut(Buffer.from('thr'), 20, true)).toEqual({
      messages: [{ text: 'thr', id: 'g:20-23' }],
      usedBytes: 3,
    });
  });

  test('log messages are the same whatever the pieces in which a file was read', () => {
    const characters = ['a', 'ü', '€', '😀', '\n', '\n', 'x'.repeat(30)];
    const text = Array.from({ length: 3_000 }, () => characters[randomInt(characters.length)]).join('');
    const bytes = Buffer.concat([
      Buffer.from(text),
      Buffer.from([0xff, 0x80, 0x80, 0x80, 0x80, 0x80]),
      Buffer.from(`${text}\n`),
    ]);
    const readIn = (size: () => number) => {
      const all = [];
      for (let offset = 0; offset < bytes.length;) {
        const { messages, usedBytes } = cut(bytes.subarray(offset, offset + size()), offset);
        all.push(...messages);
        offset += usedBytes;
      }
      return all;
    };
    const whole = readIn(() => 400);
    expect(readIn(() => 101 + randomInt(400))).toEqual(whole);
    expect(new Set(whole.map(({ id }) => id)).size).toBe(whole.length);
    expect(whole.every(({ text: piece }) => Buffer.byteLength(piece) <= 100 + 6 * 2)).toBe(true);
  });

  test('the log messages of one batch stay below the allocator’s limit, also as JSON', () => {
    const worst = Buffer.alloc(messageLimits.batchBytes, 0x01);
    worst[worst.length - 1] = 0x0a;
    const { messages } = cutMessages(
      worst,
      { generation: 'g'.repeat(12), offset: 1e12 },
      { limits: messageLimits, takeRest: false },
    );
    const body = JSON.stringify({
      messages: messages.map(({ text }) => text),
      event_ids: messages.map(({ id }) => id),
    });
    expect(messages.reduce((sum, { text }) => sum + text.length, 0)).toBe(worst.length - 1);
    expect(body.length).toBeLessThan(1_048_576);
    expect(messages.every(({ id }) => /^[A-Za-z0-9._:/-]{1,128}$/.test(id))).toBe(true);
  });
});

describe('in use', () => {
  test('a machine is in use when the software is in the command line of a process', () => {
    const processes = [
      { pid: 1, commandLine: ['/sbin/init'] },
      { pid: 7, commandLine: ['python3', '/opt/sleap/bin/sleap-label', 'a.slp'] },
    ];
    expect(isRunning('sleap', processes)).toBe(true);
    expect(isRunning('napari', processes)).toBe(false);
  });
});

describe('the environment', () => {
  const given = { ALLOCATOR_URL: 'https://lab.example.org', VM_NAME: 'lablink-vm-prod-1' };
  const wrong = (environment: Record<string, string>) => {
    const result = readConfig({ ...given, ...environment });
    return result.ok ? [] : result.failure;
  };

  test('the environment of a published agent is enough', () => {
    expect(
      readConfig({
        ...given,
        ALLOCATOR_URL: 'https://.lab.example.org/',
        API_TOKEN: '',
        SUBJECT_SOFTWARE: 'sleap',
      }),
    ).toEqual({
      ok: true,
      value: {
        allocatorUrl: 'https://lab.example.org',
        hostname: 'lablink-vm-prod-1',
        token: null,
        software: 'sleap',
        startHost: '/opt/google/chrome-remote-desktop/start-host',
        container: null,
        folder: '/home/client/Desktop',
        logFiles: [],
        stateFolder: '/var/lib/lablink-agent',
        timings: null,
      },
    });
  });

  test('everything that is wrong with the environment is reported at once, each in a sentence with its variable', () => {
    const result = readConfig({
      LABLINK_AGENT_LOGS: '/var/log/syslog:log',
      LABLINK_AGENT_TIMINGS: '{"x":1}',
    });
    expect(result.ok ? [] : result.failure.map((sentence) => sentence.split(' ')[0])).toEqual([
      'ALLOCATOR_URL',
      'VM_NAME',
      'LABLINK_AGENT_LOGS',
      'LABLINK_AGENT_TIMINGS',
    ]);
  });

  test.each([
    { ALLOCATOR_URL: 'lab.example.org' },
    { ALLOCATOR_URL: 'ftp://lab.example.org' },
    { ALLOCATOR_URL: 'https://me@lab.example.org' },
    { VM_NAME: '-x' },
    { API_TOKEN: 'a b' },
    { LABLINK_AGENT_TIMINGS: 'timings.json' },
    { LABLINK_AGENT_FOLDER: '/' },
    { LABLINK_AGENT_FOLDER: '/home/..' },
    { LABLINK_AGENT_FOLDER: '/home/' },
    { LABLINK_AGENT_STATE: '/home/client/Desktop' },
    { LABLINK_AGENT_STATE: '/home/client/Desktop/../Desktop/state' },
  ])('a wrong environment is refused with one sentence: %o', (environment) => {
    expect(wrong(environment)).toHaveLength(1);
  });

  test('of the start-up timings only those of the contract are reported', () => {
    expect(
      parseTimings('{"container_start": 5, "cloud_init_end": "6", "colour": 7, "container_end": -1}'),
    ).toEqual({
      container_start: 5,
    });
    expect(['', '[]', '{}', '{"colour": 7}'].map(parseTimings)).toEqual([null, null, null, null]);
  });
});
