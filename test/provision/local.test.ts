// Local VMs with a whole allocator and a real database: boot, assignment, command, SSH, stop, restart, destroy.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asForm } from '../../src/client/client.ts';
import { sampleFiles } from '../../src/provision/local/samples.ts';
import { vmPaths } from '../../src/provision/local/vm-folder.ts';
import type { OpenProvider } from '../../src/provision/provider.ts';
import { hashToken } from '../../src/vms/token.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { destroy, recordReport, launch, openLab, type Lab, type RecordedReport } from './local-lab.ts';
import { connect } from './ssh-client.ts';

const NAMES = ['lablink-vm-test-1', 'lablink-vm-test-2', 'lablink-vm-test-3'] as const;
const LONG_WAIT = { timeout: 20_000, interval: 50 };

let server: TestServer;
let lab: Lab;
let provider: OpenProvider;
let report: RecordedReport;

beforeAll(async () => {
  server = await startTestServer();
  lab = await openLab(() => server.url);
  // As in a launch, the rows come first, with the hashes of the machines' tokens.
  const rows = NAMES.map((hostname) => ({
    hostname,
    provider: 'local',
    status: 'initializing',
    token_hash: hashToken(`token-of-${hostname}`),
  }));
  await server.db.insertInto('vms').values(rows).execute();
  provider = lab.provider({ software: 'lablink-test-software' });
  await provider.start();
  report = recordReport();
  expect(await launch(provider, NAMES, report)).toEqual({ ok: true });
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const statuses = async (): Promise<unknown> => (await server.client.GET('/api/vm-status')).data;
const allRunning = Object.fromEntries(NAMES.map((hostname) => [hostname, 'running']));

async function running(): Promise<string[]> {
  return (await lab.processes()).map(({ folder }) => basename(folder)).sort();
}

async function vm(hostname: string) {
  const { data } = await server.admin.GET('/api/v1/vms/{hostname}', { params: { path: { hostname } } });
  if (data === undefined) throw new Error(`no ${hostname}`);
  return data;
}

/** Sends the form, and returns the assigned machine. */
async function ask(email: string, code: string): Promise<string> {
  const crd_command = `DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="${code}" --redirect-url="https://remotedesktop.google.com/_/oauthredirect" --name=$(hostname)`;
  await server.client.POST('/api/request_vm', { body: { email, crd_command }, ...asForm, parseAs: 'text' });
  const row = await server.db
    .selectFrom('assignments')
    .select('hostname')
    .where('email', '=', email)
    .executeTakeFirstOrThrow();
  return row.hostname;
}

function outcomeOf(email: string) {
  return server.db
    .selectFrom('assignments')
    .select(['outcome', 'outcome_message'])
    .where('email', '=', email)
    .executeTakeFirstOrThrow();
}

test('local VMs go from initializing to running, each with its timings, heartbeats, GPU health and logs', async () => {
  await expect.poll(statuses, LONG_WAIT).toEqual(allRunning);
  await expect
    .poll(async () => (await vm(NAMES[0])).timings, LONG_WAIT)
    .toMatchObject({
      cloud_init_seconds: expect.any(Number) as number,
      container_seconds: expect.any(Number) as number,
    });
  await expect.poll(async () => (await vm(NAMES[0])).gpu_health, LONG_WAIT).toMatch(/N\/A|Healthy/);
  await expect.poll(async () => (await vm(NAMES[0])).boot_id, LONG_WAIT).toMatch(/^[0-9a-f-]{36}$/);
  await expect.poll(async () => (await vm(NAMES[0])).waiting, LONG_WAIT).toBe(true);
  await expect
    .poll(async () => {
      const path = { hostname: NAMES[0] };
      return (await server.admin.GET('/api/vm-logs/{hostname}', { params: { path } })).data?.logs;
    }, LONG_WAIT)
    .toMatch(/booting lablink-vm-test-1[^]*SSH listens/);
});

test('a local VM accepts a valid command and rejects an expired or used code', async () => {
  const first = await ask('ada@example.org', '4/0Afresh_code-1');
  await expect.poll(() => outcomeOf('ada@example.org'), LONG_WAIT).toMatchObject({ outcome: 'registered' });
  const { registration } = vmPaths(join(lab.root, first));
  expect(JSON.parse(await readFile(registration, 'utf8'))).toMatchObject({ name: first });

  const second = await ask('bob@example.org', '4/0Aexpired_code');
  await expect.poll(() => outcomeOf('bob@example.org'), LONG_WAIT).toMatchObject({ outcome: 'failed' });
  expect((await outcomeOf('bob@example.org')).outcome_message).toMatch(/invalid_grant.*expired/);

  const third = await ask('cy@example.org', '4/0Afresh_code-1');
  await expect.poll(() => outcomeOf('cy@example.org'), LONG_WAIT).toMatchObject({ outcome: 'failed' });
  expect((await outcomeOf('cy@example.org')).outcome_message).toMatch(/invalid_grant.*already used/);
  expect(new Set([first, second, third]).size).toBe(3);
  await expect(stat(vmPaths(join(lab.root, third)).registration)).rejects.toThrow('ENOENT');
});

test('SSH works with the stored access data, and each local VM reports only its own software use', async () => {
  const facts = report.facts.get(NAMES[1])!;
  using ssh = await connect(facts, { privateKey: lab.key.privateKey });
  const { out } = await ssh.run('tar -C Desktop -cf - .');
  const target = await mkdtemp(join(await realpath(tmpdir()), 'lablink-tar-'));
  execFileSync('tar', ['-C', target, '-xf', '-'], { input: out });
  for (const { path, content } of sampleFiles(NAMES[1])) {
    expect((await readFile(join(target, path))).equals(Buffer.from(content))).toBe(true);
  }
  await rm(target, { recursive: true });
  const { channel } = await ssh.start('sleep 1000; : lablink-test-software');
  await expect.poll(async () => (await vm(NAMES[1])).in_use, LONG_WAIT).toBe(true);
  expect((await vm(NAMES[0])).in_use).not.toBe(true);
  channel.close();
  await expect.poll(async () => (await vm(NAMES[1])).in_use, LONG_WAIT).toBe(false);
});

test('all assignments survive a restart of the server and of the local VMs', async () => {
  const assigned = () =>
    server.db
      .selectFrom('vms')
      .select(['hostname', 'assignment_id', 'token_hash'])
      .orderBy('hostname')
      .execute();
  const before = await assigned();
  const boots = await Promise.all(NAMES.map(async (hostname) => (await vm(hostname)).boot_id));
  await provider.stop();
  expect(await running()).toEqual([]);
  // The allocator is started again on another port.
  await server.restart();
  await provider.start();
  expect(await running()).toEqual([...NAMES]);
  for (const [index, hostname] of NAMES.entries()) {
    await expect.poll(async () => (await vm(hostname)).boot_id, LONG_WAIT).not.toBe(boots[index]);
    await expect.poll(async () => (await vm(hostname)).waiting, LONG_WAIT).toBe(true);
  }
  await expect.poll(statuses, LONG_WAIT).toEqual(allRunning);
  expect(await assigned()).toEqual(before);
});

test('after a destroy, no process and no folder is left', async () => {
  const ended = recordReport();
  const processes = (await lab.processes()).length;
  expect(await destroy(provider, 'all', ended)).toEqual({ ok: true });
  expect(ended.ended.sort()).toEqual([...NAMES]);
  expect([await running(), await provider.list()]).toEqual([[], []]);
  for (const hostname of NAMES) await expect(stat(join(lab.root, hostname))).rejects.toThrow('ENOENT');
  console.log(`destroyed: ${processes} processes and ${ended.ended.length} folders, none left`);
});
