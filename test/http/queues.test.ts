// Each kind of client has a queue of its own: what is refused, what waits, and what is served meanwhile.
import { describe, expect, test } from 'vitest';
import { endpointList } from '../../src/contract/erased.ts';
import { defaultLimits } from '../../src/http/limits.ts';
import { kindOf } from '../../src/http/queues.ts';
import { done, html, json, problemOf, startStub, VM, wire, type Stubs } from './harness.ts';

const FORM = 'email=ada%40example.org&crd_command=start-host&pin=123456';
const BROWSER = { accept: 'text/html', 'sec-fetch-site': 'same-origin' };
const limits = {
  queues: { ...defaultLimits.queues, people: { atOnce: 1, waiting: 2 }, machines: { atOnce: 1, waiting: 2 } },
};

/** The first request of people waits until the test lets it go on. */
function heldPeople(more: Stubs = {}) {
  const first = Promise.withResolvers<undefined>();
  const emails: string[] = [];
  const requestVm: Stubs['requestVm'] = async ({ body }) => {
    emails.push(String((body as { email: unknown }).email));
    await first.promise;
    return html('<p>a machine</p>');
  };
  return {
    stubs: {
      requestVm,
      postHeartbeat: () => json({ message: 'Recorded.', action: 'none', assignment_id: null }),
      indexPage: () => html('<p>hello</p>'),
      ...more,
    },
    emails,
    release: () => first.resolve(undefined),
  };
}

const person = (name: string) => `email=${name}%40example.org&crd_command=start-host`;

test('every endpoint that needs more than memory has the queue of its kind', () => {
  const kinds = Map.groupBy(endpointList, (endpoint) => kindOf(endpoint) ?? 'none');
  const idsOf = (kind: 'people' | 'machines' | 'none') => kinds.get(kind)?.map(({ id }) => id);
  expect(idsOf('people')).toEqual([
    'indexPage',
    'requestVm',
    'returnToVm',
    'joinWaitingList',
    'getWaitingPlace',
    'leaveWaitingList',
    'assignmentPage',
    'getAssignment',
    'downloadOwnFiles',
    'getUnassignedVmsCount',
    'getLab',
  ]);
  expect(idsOf('machines')).toEqual([
    'updateInUseStatus',
    'updateGpuHealth',
    'updateVmStatus',
    'postVmMetrics',
    'postHeartbeat',
    'postOutcome',
    'postRecycled',
  ]);
  expect(idsOf('none')).toEqual([
    'checkPage',
    'vmStartup',
    'postVmLogs',
    'getAgentFile',
    'streamVmChanges',
    'streamVmLogs',
    'streamOperationEvents',
    'holdPoll',
    'streamTestEvents',
    'getHealth',
    'getLiveness',
    'getMetrics',
    'getContractYaml',
    'getContractJson',
    'docsPage',
    'getAsset',
  ]);
});

describe('a queue', () => {
  test('those who wait are served in the order in which they came', async () => {
    const { stubs, emails, release } = heldPeople();
    await using http = await startStub(stubs, { limits });
    const answers = [http.form('/api/request_vm', person('a'), BROWSER)];
    await expect.poll(() => emails).toEqual(['a@example.org']);
    for (const [index, name] of ['b', 'c'].entries()) {
      answers.push(http.form('/api/request_vm', person(name), BROWSER));
      await expect.poll(() => http.app.running()).toBe(index + 2);
    }
    release();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(emails).toEqual(['a@example.org', 'b@example.org', 'c@example.org']);
  });

  test('beyond it a person gets the form again with what was typed, and a program a problem, at once and with Retry-After', async () => {
    const { stubs, emails, release } = heldPeople();
    await using http = await startStub(stubs, { limits });
    const answers = ['a', 'b', 'c'].map((name) => http.form('/api/request_vm', person(name), BROWSER));
    // One is served, two wait.
    await expect.poll(() => http.app.running()).toBe(3);
    expect((await http.get('/')).status).toBe(503);
    const [page, program] = [
      await http.form('/api/request_vm', FORM, BROWSER),
      await http.form('/api/request_vm', FORM, { accept: 'application/json' }),
    ];
    expect(page.status).toBe(503);
    const text = await page.text();
    expect(text).toContain('<form>requestVm overloaded');
    expect(text).toContain('"email":"ada@example.org","crd_command":"start-host","pin":"123456"');
    expect(await problemOf(program)).toMatchObject({ status: 503, code: 'overloaded' });
    const waits = [page, program].map(({ headers }) => Number(headers.get('retry-after')));
    expect(waits.every((seconds) => seconds >= 3 && seconds <= 7)).toBe(true);
    // They do not come back together.
    expect(waits[0]).not.toBe(waits[1]);
    release();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(emails).not.toContain('ada@example.org');
  });

  test('machines, admins and health are served while the queue of people is full, and people while that of machines is', async () => {
    const { stubs, release } = heldPeople({
      getHealth: () => json({ status: 'ok', checks: [], groups: [] }),
      getLab: () => json({ state: 'open', free: 1, ready: 1, total: 1, message: 'Open.' }),
      listOrphans: () => json({ items: [], checked_at: null, error: null }),
    });
    const slow = Promise.withResolvers<typeof done>();
    await using http = await startStub({ ...stubs, updateInUseStatus: () => slow.promise }, { limits });
    const people = ['a', 'b', 'c'].map((name) => http.form('/api/request_vm', person(name), BROWSER));
    await expect.poll(() => http.app.running()).toBe(3);
    expect((await http.get('/')).status).toBe(503);
    const heartbeat = () => http.post(`/api/v1/vms/${VM}/heartbeat`, { boot_id: 'b' });
    expect((await heartbeat()).status).toBe(200);
    expect((await http.get('/api/health')).status).toBe(200);
    release();
    await Promise.all(people);
    const machines = [1, 2, 3].map(() =>
      http.post('/api/update_inuse_status', { hostname: VM, status: true }),
    );
    await expect.poll(() => http.app.running()).toBe(3);
    expect((await heartbeat()).status).toBe(503);
    expect((await http.get('/')).status).toBe(200);
    slow.resolve(done);
    await Promise.all(machines);
    expect((await heartbeat()).status).toBe(200);
  });

  test('a client that has left is not served, and its place is the next one’s', async () => {
    const { stubs, emails, release } = heldPeople();
    await using http = await startStub(stubs, { limits });
    const first = http.form('/api/request_vm', person('a'), BROWSER);
    await expect.poll(() => emails.length).toBe(1);
    const leaving = new AbortController();
    const left = http
      .get('/api/request_vm', {
        method: 'POST',
        body: person('left'),
        headers: { ...BROWSER, 'content-type': 'application/x-www-form-urlencoded' },
        signal: leaving.signal,
      })
      .catch(() => null);
    await expect.poll(() => http.app.running()).toBe(2);
    const stays = http.form('/api/request_vm', person('stays'), BROWSER);
    await expect.poll(() => http.app.running()).toBe(3);
    leaving.abort();
    await left;
    await expect.poll(() => http.app.running()).toBe(2);
    release();
    expect([(await first).status, (await stays).status]).toEqual([200, 200]);
    expect(emails).toEqual(['a@example.org', 'stays@example.org']);
  });

  test('a client that sends its form slowly takes nobody’s place', async () => {
    const { stubs, release } = heldPeople();
    release();
    await using http = await startStub(stubs, { limits });
    const sockets = await Promise.all(
      [1, 2, 3, 4].map(() =>
        wire(
          http.port,
          'POST /api/request_vm HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nemail=',
        ),
      ),
    );
    await expect.poll(() => http.app.running()).toBe(4);
    expect((await http.form('/api/request_vm', FORM, BROWSER)).status).toBe(200);
    for (const { socket } of sockets) socket.destroy();
  });
});
