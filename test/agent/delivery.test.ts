import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asForm } from '../../src/client/client.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { createMachine, eventually, quick, stopped } from './fixture.ts';
import { startRelay } from './relay.ts';

let server: TestServer;
let people = 0;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const name = () => `lablink-vm-delivery-${++people}`;
const browsers = new Map<string, string>();

/** Asks for a machine, or gives the e-mail's machine a new command, from that person's browser. */
async function ask(email: string, code: string) {
  const cookie = browsers.get(email);
  const { data, response } = await server.client.POST('/api/request_vm', {
    body: { email, crd_command: `start-host --code="${code}"` },
    bodySerializer: asForm.bodySerializer,
    headers: {
      ...asForm.headers,
      Accept: 'application/json',
      ...(cookie !== undefined && { Cookie: cookie }),
    },
  });
  if (typeof data !== 'object') throw new Error(`expected a machine, got ${response.status}`);
  browsers.set(email, response.headers.get('Set-Cookie')?.split(';')[0] ?? cookie ?? '');
  return data;
}

async function assignment(id: string) {
  const { data } = await server.admin.GET('/api/v1/assignments/{id}', { params: { path: { id } } });
  return data;
}

async function vm(hostname: string) {
  const { data } = await server.admin.GET('/api/v1/vms/{hostname}', { params: { path: { hostname } } });
  return data;
}

/** The only free machine must be the test's own, or another's agent is given the command. */
async function waitsAlone(hostname: string): Promise<void> {
  await eventually(async () =>
    expect(await vm(hostname)).toMatchObject({ status: 'running', waiting: true }),
  );
  await server.db.deleteFrom('vms').where('hostname', '<>', hostname).execute();
}

describe('an assignment', () => {
  test('an assignment reaches the waiting agent, start-host gets code, address, name and the PIN twice, and the outcome is acknowledged', async () => {
    const hostname = name();
    await using machine = await createMachine(hostname);
    const agent = machine.start(server.url);
    await waitsAlone(hostname);
    const given = await ask('ada@x.org', '4/0Axyz_-abc');
    await eventually(async () => expect((await assignment(given.assignment_id))?.state).toBe('connected'));
    const runs = await machine.runs();
    expect(runs).toHaveLength(1);
    expect(runs[0]?.args).toEqual([
      '--code=4/0Axyz_-abc',
      '--redirect-url=https://remotedesktop.google.com/_/oauthredirect',
      `--name=${hostname}`,
    ]);
    expect(runs[0]?.stdin).toBe(`${given.pin}\n${given.pin}\n`);
    expect(runs[0]?.env).toContain('DISPLAY=');
    expect(agent.logged.join('\n')).not.toContain('xyz_');
    expect(agent.logged.join('\n')).not.toContain(given.pin);
    await eventually(async () => expect(await vm(hostname)).toMatchObject({ waiting: true }));
    expect(await agent.stop()).toEqual(stopped);
  });

  test('an expired code is reported as failed, without code and PIN, and a fresh command works', async () => {
    const hostname = name();
    await using machine = await createMachine(hostname);
    const agent = machine.start(server.url);
    await waitsAlone(hostname);
    await machine.set('exit', '3');
    await machine.set('say', 'OAuth error for 4/0Aexpired: the code has expired\n');
    const given = await ask('bob@x.org', '4/0Aexpired');
    await eventually(async () => expect((await assignment(given.assignment_id))?.state).toBe('failed'));
    const row = await server.db
      .selectFrom('assignments')
      .select('outcome_message')
      .where('id', '=', given.assignment_id)
      .executeTakeFirst();
    expect(row?.outcome_message).toBe(
      'start-host ended with 3. OAuth error for [hidden]: the code has expired',
    );
    await machine.set('exit', null);
    const again = await ask('bob@x.org', '4/0Afresh');
    expect(again).toMatchObject({ hostname, returning: true, assignment_id: given.assignment_id });
    await eventually(async () => expect((await assignment(given.assignment_id))?.state).toBe('connected'));
    expect((await machine.runs()).map(({ args }) => args[0])).toEqual([
      '--code=4/0Aexpired',
      '--code=4/0Afresh',
    ]);
    expect(agent.logged.join('\n')).not.toContain('0Aexpired');
  });

  test('a start-host that hangs is killed after its time limit, and the command is reported as failed', async () => {
    const hostname = name();
    await using machine = await createMachine(hostname);
    machine.start(server.url, { intervals: { ...quick, startHostMs: 200 } });
    await waitsAlone(hostname);
    await machine.set('wait', '');
    const given = await ask('eve@x.org', '4/0Ahangs');
    await eventually(async () => expect((await assignment(given.assignment_id))?.state).toBe('failed'));
  });
});

describe('a restart of the agent', () => {
  test('an agent that is killed while start-host runs reports the command as failed after its restart, and does not run it again', async () => {
    const hostname = name();
    await using machine = await createMachine(hostname);
    await using relay = await startRelay(() => server.url);
    const agent = machine.start(relay.url);
    await waitsAlone(hostname);
    await machine.set('wait', '');
    const given = await ask('kay@x.org', '4/0Aonce');
    await eventually(async () => expect(await machine.runs()).toHaveLength(1));
    relay.cut();
    agent.force();
    expect(await agent.exit).toEqual(stopped);
    await machine.set('wait', null);
    relay.restore();
    machine.start(relay.url);
    await eventually(async () => expect((await assignment(given.assignment_id))?.state).toBe('failed'));
    await eventually(async () => expect(await vm(hostname)).toMatchObject({ waiting: true }));
    expect(await machine.runs()).toHaveLength(1);
  });

  test('an agent that is restarted before it could acknowledge reports the outcome, and does not run the command again', async () => {
    const hostname = name();
    await using machine = await createMachine(hostname);
    await using relay = await startRelay(() => server.url);
    const agent = machine.start(relay.url);
    await waitsAlone(hostname);
    await machine.set('wait', '');
    const given = await ask('lea@x.org', '4/0Aacked');
    await eventually(async () => expect(await machine.runs()).toHaveLength(1));
    relay.cut();
    await machine.set('wait', null);
    await eventually(() => expect(agent.logged.join('\n')).toContain('start-host succeeded'));
    await agent.stop();
    expect((await assignment(given.assignment_id))?.state).toBe('sent');
    relay.restore();
    machine.start(relay.url);
    await eventually(async () => expect((await assignment(given.assignment_id))?.state).toBe('connected'));
    expect(await machine.runs()).toHaveLength(1);
  });

  test('an agent that stops lets a running start-host finish first, and reports its outcome', async () => {
    const hostname = name();
    await using machine = await createMachine(hostname);
    const agent = machine.start(server.url);
    await waitsAlone(hostname);
    await machine.set('wait', '');
    const given = await ask('max@x.org', '4/0Agrace');
    await eventually(async () => expect(await machine.runs()).toHaveLength(1));
    const stopping = agent.stop();
    await machine.set('wait', null);
    expect(await stopping).toEqual(stopped);
    expect((await assignment(given.assignment_id))?.state).toBe('connected');
  });
});

describe('the way to the allocator', () => {
  test('an assignment arrives after a restart of the allocator', async () => {
    const hostname = name();
    await using machine = await createMachine(hostname);
    await using relay = await startRelay(() => server.url);
    machine.start(relay.url);
    await waitsAlone(hostname);
    await server.restart();
    const given = await ask('ned@x.org', '4/0Arestart');
    await eventually(async () => expect((await assignment(given.assignment_id))?.state).toBe('connected'));
  });

  test('a dead connection is noticed, and the machine polls again', async () => {
    const hostname = name();
    await using machine = await createMachine(hostname);
    await using relay = await startRelay(() => server.url);
    const agent = machine.start(relay.url, { intervals: { ...quick, pollIdleMs: 300, requestMs: 300 } });
    await waitsAlone(hostname);
    relay.freeze();
    await eventually(() =>
      expect(agent.logged.join('\n')).toContain(
        'waiting for an assignment: the allocator cannot be reached: nothing came',
      ),
    );
    relay.restore();
    const given = await ask('pia@x.org', '4/0Adead');
    await eventually(async () => expect((await assignment(given.assignment_id))?.state).toBe('connected'));
  });

  test('when the allocator has forgotten the machine, the agent reports everything again', async () => {
    const hostname = name();
    await using machine = await createMachine(hostname);
    machine.start(server.url, {
      software: 'paint',
      dependencies: { listProcesses: () => Promise.resolve([{ pid: 1, commandLine: ['init'] }]) },
    });
    await waitsAlone(hostname);
    await eventually(async () =>
      expect(await vm(hostname)).toMatchObject({ gpu_health: 'N/A', in_use: false }),
    );
    await server.db.deleteFrom('vms').execute();
    await eventually(async () =>
      expect(await vm(hostname)).toMatchObject({
        status: 'running',
        gpu_health: 'N/A',
        in_use: false,
      }),
    );
  });
});
