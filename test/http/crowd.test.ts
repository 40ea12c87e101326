// A whole workshop in the same minute, over HTTP: everybody a machine of their own, every line of log once; and a restart
// in the middle of it that costs nobody anything.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Schemas } from '../../src/client/client.ts';
import { adminHeaders, formHeaders, postJson, sendRaw, type RawAnswer } from '../support/raw-http.ts';
import { vmNames } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const MACHINES = 60;
const PEOPLE = 90;
const PUSHES = 200;
const LINES_PER_PUSH = 5;
const COMMAND =
  'DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="4/0AcodeOfSomebody" --redirect-url="https://remotedesktop.google.com/_/oauthredirect" --name=$(hostname)';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

function ask(url: string, email: string, headers: Readonly<Record<string, string>>): Promise<RawAnswer> {
  return sendRaw(url, {
    method: 'POST',
    path: '/api/request_vm',
    headers: { ...formHeaders, ...headers },
    body: new URLSearchParams({ email, crd_command: COMMAND }).toString(),
  });
}

async function born(url: string, hostnames: readonly string[]): Promise<void> {
  const answers = await Promise.all(
    hostnames.map((hostname) => postJson(url, '/api/vm-status', { hostname, status: 'running' })),
  );
  expect(answers.map(({ status }) => status)).toEqual(hostnames.map(() => 200));
}

async function machines({ url }: TestServer): Promise<Schemas['Vm'][]> {
  const { text } = await sendRaw(url, { path: '/api/v1/vms?limit=1000', headers: adminHeaders });
  return (JSON.parse(text) as Schemas['VmPage']).items;
}

/** Every machine reports again and again, until `over`; none of it may be refused. */
async function chatter(url: string, hostnames: readonly string[], over: AbortSignal): Promise<number> {
  let reports = 0;
  await Promise.all(
    hostnames.map(async (hostname) => {
      while (!over.aborted) {
        const answers = [
          await postJson(url, `/api/v1/vms/${hostname}/heartbeat`, {
            boot_id: 'b',
            free_disk_bytes: reports,
          }),
          await postJson(url, '/api/vm-status', { hostname, status: 'running' }),
          await postJson(url, '/api/gpu_health', { hostname, gpu_status: reports % 2 ? 'Healthy' : 'N/A' }),
          await postJson(url, '/api/update_inuse_status', { hostname, status: reports % 3 === 0 }),
        ];
        expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
        reports += answers.length;
      }
    }),
  );
  return reports;
}

const NONE_FREE = 'none free';
const readPage = ({ text }: RawAnswer): string =>
  /lablink-vm-test-\d+/.exec(text)?.[0] ?? (text.includes('All machines are taken.') ? NONE_FREE : text);
const readJson = ({ text }: RawAnswer): string => {
  const body = z
    .object({ hostname: z.string().optional(), detail: z.string().optional() })
    .parse(JSON.parse(text));
  return body.hostname ?? (body.detail?.startsWith('No available VMs') ? NONE_FREE : text);
};

test.each([
  ['browsers', { Accept: 'text/html,*/*;q=0.8' }, readPage],
  ['programs', { Accept: 'application/json' }, readJson],
])(
  '60 free machines, 90 %s at once during many reports: 60 get a machine each, 30 read that none is free',
  async (_, headers, read) => {
    await using server = await startTestServer();
    const names = vmNames(MACHINES);
    await born(server.url, names);
    const over = new AbortController();
    const reports = chatter(server.url, names, over.signal);
    const answers = await Promise.all(
      upTo(PEOPLE).map((index) => ask(server.url, `person-${index}@example.org`, headers)),
    );
    over.abort();
    expect(await reports).toBeGreaterThan(0);
    const told = answers.map(read);
    const given = told.filter((text) => text.startsWith('lablink-vm-'));
    expect(given.toSorted()).toEqual(names.toSorted());
    expect(told.filter((text) => text === NONE_FREE)).toHaveLength(PEOPLE - MACHINES);
    const taken = (await machines(server)).map(({ hostname, assignment }) => [assignment?.email, hostname]);
    const expected = told.flatMap((hostname, index) =>
      hostname.startsWith('lablink-vm-') ? [[`person-${index}@example.org`, hostname]] : [],
    );
    expect(taken.toSorted()).toEqual(expected.toSorted());
  },
  60_000,
);

test('one impatient person who sends the form twenty times at once has one machine', async () => {
  await using server = await startTestServer();
  await born(server.url, vmNames(10));
  const first = await sendRaw(server.url, { path: '/' });
  const cookie = first.headers['set-cookie']?.[0]?.split(';', 1)[0] ?? '';
  const headers = { Accept: 'application/json', Cookie: cookie };
  const answers = await Promise.all(upTo(20).map(() => ask(server.url, ' Ada@Example.org ', headers)));
  expect(answers.map(({ status }) => status)).toEqual(upTo(20).map(() => 200));
  expect(new Set(answers.map(({ text }) => (JSON.parse(text) as Schemas['AssignedVm']).pin)).size).toBe(1);
  const taken = (await machines(server)).filter(({ assignment }) => assignment !== null);
  expect(taken.map(({ assignment }) => assignment?.email)).toEqual(['ada@example.org']);
});

test('200 simultaneous log pushes for one machine store every line once, also when they are sent again with their ids', async () => {
  await using server = await startTestServer();
  const [hostname = ''] = vmNames(1);
  await born(server.url, [hostname]);
  const push = (index: number, withIds: boolean): Promise<RawAnswer> => {
    const lines = upTo(LINES_PER_PUSH).map((line) => `${withIds ? 'known' : 'plain'} ${index}.${line}`);
    const ids = { event_ids: lines.map((line) => line.replace(' ', ':')) };
    const batch = { log_group: 'g', log_stream: hostname, messages: lines, ...(withIds && ids) };
    return postJson(server.url, '/api/vm-logs', batch);
  };
  const answers = await Promise.all(
    // AWS sends a batch again that was not answered in time.
    upTo(PUSHES).flatMap((index) => [push(index, false), push(index, true), push(index, true)]),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const { text } = await sendRaw(server.url, { path: `/api/vm-logs/${hostname}`, headers: adminHeaders });
  const { logs, lines, lines_cut: cut } = JSON.parse(text) as Schemas['VmLogs'];
  const expected = ['plain', 'known'].flatMap((kind) =>
    upTo(PUSHES).flatMap((index) => upTo(LINES_PER_PUSH).map((line) => `${kind} ${index}.${line}`)),
  );
  expect(logs.split('\n').toSorted()).toEqual(expected.toSorted());
  expect([lines, cut]).toEqual([expected.length, 0]);
  // Lines of one push stay together, in their order.
  const own = logs.split('\n').filter((line) => line.startsWith('plain 7.'));
  expect(own).toEqual(upTo(LINES_PER_PUSH).map((line) => `plain 7.${line}`));
});

/** As `subscribe` of the published LabLink agents: after any failure, waits and polls again. */
async function pollForEver(
  server: TestServer,
  hostname: string,
  token: string,
): Promise<Schemas['Delivery']> {
  const headers = { Authorization: `Bearer ${token}` };
  for (;;) {
    const answer = await postJson(server.url, '/vm_startup', { hostname }, headers).catch(() => null);
    if (answer?.status === 200) return JSON.parse(answer.text) as Schemas['Delivery'];
    expect(answer?.status ?? 503).toBe(503);
    await delay(20);
  }
}

test('a restart of the server loses no assignment, no token and no poll', async () => {
  await using server = await startTestServer({ VM_AUTH: 'required' });
  const [seated = '', waiting = ''] = vmNames(2);
  const tokens = new Map<string, string>();
  for (const hostname of [seated, waiting]) {
    const { text } = await postJson(server.url, '/api/v1/vms', { hostname }, adminHeaders);
    tokens.set(hostname, (JSON.parse(text) as Schemas['RegisteredVm']).token);
  }
  const reportRunning = (hostname: string): Promise<RawAnswer> =>
    postJson(
      server.url,
      '/api/vm-status',
      { hostname, status: 'running' },
      { Authorization: `Bearer ${tokens.get(hostname) ?? ''}` },
    );
  expect((await reportRunning(seated)).status).toBe(200);
  const json = { Accept: 'application/json' };
  const before = await ask(server.url, 'ada@example.org', json);
  const cookie = before.headers['set-cookie']?.[0]?.split(';', 1)[0] ?? '';
  const seat = JSON.parse(before.text) as Schemas['AssignedVm'];
  expect(seat.hostname).toBe(seated);
  const told = pollForEver(server, waiting, tokens.get(waiting) ?? '');
  const isWaiting = async (): Promise<boolean> =>
    (await machines(server)).some((vm) => vm.hostname === waiting && vm.waiting);
  await expect.poll(isWaiting, { timeout: 10_000 }).toBe(true);

  await server.restart();

  // The seat: the same browser finds its page, and the same machine.
  const page = await sendRaw(server.url, {
    path: `/assignments/${seat.assignment_id}`,
    headers: { Cookie: cookie },
  });
  expect(page.status).toBe(200);
  expect(page.text).toContain(seat.pin);
  const again = await ask(server.url, 'ada@example.org', { ...json, Cookie: cookie });
  expect(JSON.parse(again.text)).toEqual({ ...seat, returning: true });
  // The token.
  expect((await reportRunning(waiting)).status).toBe(200);
  // The poll.
  const given = await ask(server.url, 'grace@example.org', json);
  const { pin, assignment_id: id } = JSON.parse(given.text) as Schemas['AssignedVm'];
  expect(await told).toMatchObject({ status: 'success', pin, assignment_id: id });
});
