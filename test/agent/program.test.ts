import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createAgentHandlers } from '../../src/handlers/agent.ts';
import { version } from '../../src/version.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { createMachine, eventually, type Machine } from './fixture.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const built = join(root, 'dist/agent');
const script = join(built, 'lablink-agent.mjs');
const executable = join(built, 'lablink-agent-linux-x64');
const hasExecutable = process.platform === 'linux' && process.arch === 'x64';
const BUILD_MS = 120_000;

let server: TestServer;

beforeAll(async () => {
  await run(process.execPath, [join(root, 'codegen/agent-bundle.ts')]);
  server = await startTestServer();
}, BUILD_MS);
afterAll(() => server[Symbol.asyncDispose]());

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

/** The two forms of the program, as a command line. */
const forms = [
  ['file', [process.execPath, script]],
  ...(hasExecutable ? [['executable', [executable]] as const] : []),
] as const;

function start(
  command: readonly string[],
  environment: Record<string, string>,
): ChildProcess & { log: () => string } {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  children.add(child);
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return Object.assign(child, { log: () => text });
}

function environmentOf(machine: Machine, hostname: string): Record<string, string> {
  return {
    ALLOCATOR_URL: server.url,
    VM_NAME: hostname,
    LABLINK_AGENT_START_HOST: machine.startHost,
    LABLINK_AGENT_FOLDER: machine.folder,
    LABLINK_AGENT_STATE: join(machine.home, 'state'),
    LABLINK_AGENT_LOGS: machine.logFile,
    LABLINK_AGENT_TIMINGS: '{"container_start": 100, "container_end": 107}',
  };
}

describe.each(forms)('the program as one %s', (form, command) => {
  const [program = '', ...args] = command;

  test('the agent prints its version and its variables with an empty environment', async () => {
    const printed = await run(program, [...args, '--version'], { env: {} });
    expect(printed).toEqual({ stdout: `lablink-agent ${version}\n`, stderr: '' });
    const help = await run(program, [...args, '--help'], { env: { PATH: '' } });
    expect(help.stdout).toContain('LABLINK_AGENT_START_HOST');
  });

  test('the agent ends with 2 and a sentence for each wrong variable', async () => {
    const wrong = run(program, args, { env: { ALLOCATOR_URL: 'nowhere' } });
    await expect(wrong).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^lablink-agent: ALLOCATOR_URL .*\nlablink-agent: VM_NAME .*\n$/,
      ) as string,
    });
    await expect(run(program, [...args, '--verbose'], { env: {} })).rejects.toMatchObject({ code: 2 });
  });

  test('the agent reports, ships logs, waits, and ends with 0 on SIGTERM', async () => {
    const hostname = `lablink-vm-program-${form}`;
    await using machine = await createMachine(hostname);
    await machine.log('hello from the machine');
    const agent = start(command, environmentOf(machine, hostname));
    const params = { path: { hostname } };
    await eventually(async () => {
      const { data } = await server.admin.GET('/api/v1/vms/{hostname}', { params });
      expect(data).toMatchObject({ status: 'running', waiting: true, timings: { container_seconds: 7 } });
      const logs = await server.admin.GET('/api/vm-logs/{hostname}', { params });
      expect(logs.data?.logs).toContain('hello from the machine');
    });
    agent.kill('SIGTERM');
    expect(await once(agent, 'exit')).toEqual([0, null]);
    expect(agent.log()).toMatch(/Z info waiting for an assignment\n/);
    expect(agent.log()).toMatch(/Z info stopped\n$/);
  });
});

test('a second signal ends the agent at once, with the programs that it runs', async () => {
  const hostname = 'lablink-vm-program-forced';
  await using machine = await createMachine(hostname);
  await machine.set('wait', '');
  const agent = start([process.execPath, script], environmentOf(machine, hostname));
  await eventually(() => expect(agent.log()).toContain('waiting for an assignment'));
  await eventually(async () => {
    const { data } = await server.admin.GET('/api/v1/vms/{hostname}', { params: { path: { hostname } } });
    expect(data).toMatchObject({ status: 'running', waiting: true });
  });
  await server.db.deleteFrom('vms').where('hostname', '<>', hostname).execute();
  await server.client.POST('/api/request_vm', {
    body: { email: 'ada@x.org', crd_command: 'start-host --code="4/0Aforced"' },
    bodySerializer: (body) => new URLSearchParams(body as Record<string, string>).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  });
  await eventually(async () => expect(await machine.runs()).toHaveLength(1));
  agent.kill('SIGINT');
  agent.kill('SIGTERM');
  expect(await once(agent, 'exit')).toEqual([0, null]);
  const state = await readFile(join(machine.home, 'state/state.json'), 'utf8');
  expect(state).toContain('The agent was stopped while start-host ran.');
  expect(state).not.toContain('0Aforced');
});

describe('the allocator', () => {
  const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
  const download = async (file: string) => {
    const response = await fetch(`${server.url}/agent/${file}`);
    return { response, content: new Uint8Array(await response.arrayBuffer()) };
  };

  test('the allocator serves both forms of the agent, with correct checksums', async () => {
    const sums = new TextDecoder().decode((await download('SHA256SUMS')).content);
    const sumOf = new Map(
      sums
        .trimEnd()
        .split('\n')
        .map((line) => [line.slice(66), line.slice(0, 64)]),
    );
    const file = await download('lablink-agent.mjs');
    expect(file.response.headers.get('Content-Type')).toMatch(/^text\/javascript/);
    expect(sha256(file.content)).toBe(sumOf.get('lablink-agent.mjs'));
    if (!hasExecutable) return;
    const packed = await download('lablink-agent-linux-x64.gz');
    expect(packed.response.headers.get('Content-Type')).toBe('application/gzip');
    expect(sha256(packed.content)).toBe(sumOf.get('lablink-agent-linux-x64.gz'));
    expect(sha256(gunzipSync(packed.content))).toBe(sumOf.get('lablink-agent-linux-x64'));
  });

  test('the allocator serves no other file from the agent folder, and answers agent_not_built if the agent was not built', async () => {
    for (const file of [
      'lablink-agent-linux-x64',
      '.built-from',
      '..%2fagent%2fSHA256SUMS',
      'SHA256SUMS%00',
    ]) {
      const { response } = await download(file);
      expect([400, 404]).toContain(response.status);
    }
    const agentFolder = await mkdtemp(join(tmpdir(), 'lablink-no-agent-'));
    try {
      const { getAgentFile } = createAgentHandlers({ agentFolder });
      const reply = await getAgentFile({
        path: { file: 'lablink-agent.mjs' },
        query: undefined,
        body: undefined,
        caller: { kind: 'anonymous' },
        browserId: null,
        address: '',
        network: '',
        accept: 'text/javascript',
        arrivedBy: {
          peer: '',
          protocol: 'http',
          host: '',
          forwardedFor: null,
          forwardedProto: null,
          forwardedHost: null,
        },
        lastEventId: null,
        idempotencyKey: null,
        signal: AbortSignal.timeout(1_000),
      });
      expect(reply).toMatchObject({
        status: 404,
        body: { code: 'agent_not_built', detail: expect.stringContaining('make agent') as string },
      });
    } finally {
      await rm(agentFolder, { recursive: true });
    }
  });
});
