// Bad input against the whole server: a 4xx that says what is wrong, or nothing; nothing changed; the server lives.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  asAdmin,
  form,
  LOGS,
  names,
  REGISTRATION_TOKEN,
  unknown,
  unreadable,
  wrongBodies,
  wrongTypes,
} from '../support/bad-requests.ts';
import { dumpRows } from '../support/dump-rows.ts';
import { postJson, sendRaw, type RawAnswer } from '../support/raw-http.ts';
import { BOOTING, DESTROYED, FREE, seedLab } from '../support/example-rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ REGISTRATION_TOKEN });
  await seedLab(server.db);
});
afterAll(() => server[Symbol.asyncDispose]());

const problemSchema = z.object({
  status: z.number(),
  code: z.string().regex(/^[a-z_]+$/),
  detail: z.string().regex(/^\S.* .*\S/),
  error: z.string(),
  errors: z.array(z.object({ field: z.string() })).default([]),
});

/** A status in the range of the caller's faults, and a sentence or a page. */
function expectRefusal(answer: RawAnswer, status: number): void {
  expect(answer.status, answer.text).toBe(status);
  if (answer.type === 'application/problem+json') {
    const problem = problemSchema.parse(JSON.parse(answer.text));
    expect(problem).toMatchObject({ status, error: problem.detail });
    if (problem.code === 'invalid_request') expect(problem.error).toContain(problem.errors[0]?.field);
  } else {
    expect(answer.type).toMatch(/^text\/(html|plain)$/);
    expect(answer.text).toMatch(/\w+ \w+/);
  }
  expect(answer.text).not.toMatch(/node_modules|at .*\.ts:\d|select |insert |SQLSTATE/);
}

async function expectAlive(): Promise<void> {
  expect((await sendRaw(server.url, { path: '/api/health' })).status).toBe(200);
}

describe.each([
  ['cannot be read', unreadable],
  ['is of the wrong type', wrongTypes],
  ['has names that are none', names],
  ['is of the wrong kind or size', wrongBodies],
  ['is about what is not there, or not allowed', unknown],
])('a request that %s', (_, cases) => {
  let before: Awaited<ReturnType<typeof dumpRows>>;
  beforeEach(async () => {
    before = await dumpRows(server.db);
  });

  test.each(cases)('%s: %i, and nothing is changed', async (_what, status, request) => {
    expectRefusal(await sendRaw(server.url, request), status);
    expect(await dumpRows(server.db)).toEqual(before);
    await expectAlive();
  });
});

describe('a form that', () => {
  test.each([
    ['says nothing', ''],
    ['has no command', 'email=ada%40example.org'],
    ['has no e-mail', 'crd_command=4%2F0Aone'],
    ['has a NUL in the e-mail', 'email=a%00b%40example.org&crd_command=4%2F0Aone'],
    ['has a NUL in the command', 'email=ada%40example.org&crd_command=4%2F0A%00one'],
    ['gives a field twice', 'email=ada%40example.org&email=b%40example.org&crd_command=4%2F0Aone'],
    ['has a command of 5,000 characters', `email=ada%40example.org&crd_command=${'A'.repeat(5_000)}`],
    ['has an e-mail of 5,000 characters', `email=${'a'.repeat(5_000)}%40example.org&crd_command=4%2F0Aone`],
    ['has no code in its command', 'email=ada%40example.org&crd_command=rm+-rf'],
  ])(
    'a form that %s comes back with a message (200), is 400 as JSON, and nothing is changed',
    async (_, body) => {
      const before = await dumpRows(server.db);
      const page = await sendRaw(server.url, form('/api/request_vm', body));
      expect(page).toMatchObject({ status: 200, type: 'text/html' });
      expect(page.text).toMatch(/role="alert"|class="[^"]*error/);
      const problem = await sendRaw(
        server.url,
        form('/api/request_vm', body, { Accept: 'application/json' }),
      );
      expectRefusal(problem, 400);
      expect(problem.type).toBe('application/problem+json');
      expect(await dumpRows(server.db)).toEqual(before);
    },
  );
});

describe('what VMs send', () => {
  test.each([
    ['status', '/api/vm-status', { hostname: BOOTING, status: 'initializing' }],
    [
      'GPU health, with the message of a field agent',
      '/api/gpu_health',
      { hostname: BOOTING, gpu_status: 'N/A' },
    ],
    ['in use', '/api/update_inuse_status', { hostname: BOOTING, status: false }],
    ['metrics', `/api/vm-metrics/${BOOTING}`, { cloud_init_start: 1_678_886_400 }],
    ['logs', '/api/vm-logs', { ...LOGS, log_stream: BOOTING }],
    ['heartbeat', `/api/v1/vms/${BOOTING}/heartbeat`, { boot_id: 'b' }],
  ])('unknown fields in what VMs send are ignored and not stored (%s)', async (_, path, body) => {
    const strange = {
      ...body,
      message: 'nothing wrong',
      colour: 'a colour out of space',
      deep: [{ a: '\0' }],
    };
    expect((await postJson(server.url, path, strange)).status).toBe(200);
    expect(JSON.stringify(await dumpRows(server.db))).not.toContain('out of space');
  });

  test.each([
    ['status', '/api/vm-status', { hostname: DESTROYED, status: 'running' }],
    ['GPU health', '/api/gpu_health', { hostname: DESTROYED, gpu_status: 'N/A' }],
    ['in use', '/api/update_inuse_status', { hostname: DESTROYED, status: false }],
    ['metrics', `/api/vm-metrics/${DESTROYED}`, { cloud_init_start: 1_678_886_400 }],
    ['logs', '/api/vm-logs', { ...LOGS, log_stream: DESTROYED }],
    ['heartbeat', `/api/v1/vms/${DESTROYED}/heartbeat`, { boot_id: 'b' }],
    ['recycled', `/api/v1/vms/${DESTROYED}/recycled`, {}],
  ])(
    'what VMs send after they were destroyed is answered with 200 and creates nothing (%s)',
    async (_, path, body) => {
      const before = await dumpRows(server.db);
      expect((await postJson(server.url, path, body)).status).toBe(200);
      expect(await dumpRows(server.db)).toEqual(before);
    },
  );

  test('log lines may contain anything: NULs, escapes, lone surrogates, a line of 200,000 characters', async () => {
    const messages = ['a\0b', '\u001b[31mred', '\ud800 alone', 'x'.repeat(200_000), '<script>', ''];
    const sent = await postJson(server.url, '/api/vm-logs', { ...LOGS, log_stream: FREE[1], messages });
    expect(sent.status).toBe(200);
    const { text } = await sendRaw(server.url, asAdmin({ path: `/api/vm-logs/${FREE[1]}` }));
    const { logs } = JSON.parse(text) as { logs: string };
    expect(logs.split('\n')).toEqual(['a\ufffdb', '\u001b[31mred', '\ufffd alone', ...messages.slice(3)]);
    const page = await sendRaw(server.url, asAdmin({ path: `/admin/logs/${FREE[1]}` }));
    expect(page.status).toBe(200);
    expect(page.text).not.toContain('<script>');
  });
});
