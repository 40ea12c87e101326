import { describe, expect, test } from 'vitest';
import { ProblemError, problem } from '../../src/contract/problems.ts';
import { ADMIN, html, json, problemOf, startStub, VM, VM_TOKEN } from './harness.ts';

const admin = { headers: { authorization: ADMIN } };
const throwing = (error: Error) => () => {
  throw error;
};

describe('an error of a handler', () => {
  test('a bug in a handler is a 500 without details, and is logged once with its stack', async () => {
    const bug = new Error('select * from vms at /srv/secret');
    await using http = await startStub({ getUnassignedVmsCount: throwing(bug) });
    const response = await http.get('/api/unassigned_vms_count');
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).toContain('internal_error');
    expect(text).not.toMatch(/select|secret|at \//);
    const errors = http.lines.filter(({ level }) => level === 'error');
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ err: bug, endpoint: 'getUnassignedVmsCount' });
    expect(errors[0]?.['request_id']).toBe(response.headers.get('x-request-id'));
  });

  test('a handler that rejects with something other than an Error is a 500', async () => {
    await using http = await startStub({
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what a library may do
      getUnassignedVmsCount: () => Promise.reject(undefined),
    });
    expect((await http.get('/api/unassigned_vms_count')).status).toBe(500);
  });

  test('a problem that a handler throws is the answer', async () => {
    const error = new ProblemError('overloaded', { detail: 'Not now.', headers: { 'Retry-After': '17' } });
    await using http = await startStub({ getUnassignedVmsCount: throwing(error) });
    const response = await http.get('/api/unassigned_vms_count');
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '17']);
    expect(await problemOf(response)).toMatchObject({
      code: 'overloaded',
      detail: 'Not now.',
      error: 'Not now.',
    });
    expect(http.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('an error that is known to be an outage is answered as the outage and logged as a warning', async () => {
    const outage = new Error('terminating connection');
    await using http = await startStub(
      { getUnassignedVmsCount: throwing(outage) },
      { classifyError: (error) => (error === outage ? new ProblemError('database_unavailable') : null) },
    );
    const response = await http.get('/api/unassigned_vms_count');
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    expect((await problemOf(response)).code).toBe('database_unavailable');
    expect(http.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  test('a problem whose status the endpoint does not declare breaks the contract', async () => {
    const stubs = { getLiveness: throwing(new ProblemError('vm_not_found')) };
    await using strict = await startStub(stubs);
    expect((await strict.get('/api/health/live')).status).toBe(500);
    await using lenient = await startStub(stubs, { responseFaults: 'log' });
    expect((await lenient.get('/api/health/live')).status).toBe(404);
    expect([strict.app.responseFaults(), lenient.app.responseFaults()]).toEqual([1, 1]);
  });

  test('an error is a page at an endpoint that answers with pages', async () => {
    await using http = await startStub({ adminPage: throwing(new ProblemError('database_unavailable')) });
    const response = await http.get('/admin', { headers: { ...admin.headers, accept: 'application/json' } });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await response.text()).toBe('<p>error database_unavailable adminPage</p>');
  });

  test('an error is what the client prefers at an endpoint that answers with pages and JSON', async () => {
    await using http = await startStub({
      cancelOperation: throwing(new ProblemError('operation_not_found')),
    });
    const path = '/api/v1/operations/0b0f4c0e-58a1-4f0e-9a38-6f6a5b1d2c11/cancel';
    const ask = (accept: string) =>
      http.get(path, { method: 'POST', headers: { authorization: ADMIN, accept } });
    expect((await problemOf(await ask('*/*'))).code).toBe('operation_not_found');
    expect(await (await ask('text/html')).text()).toBe('<p>error operation_not_found cancelOperation</p>');
  });
});

describe('what cannot be sent', () => {
  test('a reply with a header that cannot be sent is a 500', async () => {
    await using http = await startStub({ indexPage: () => ({ ...html('x'), headers: { 'X-Bad': 'a\nb' } }) });
    expect((await http.get('/')).status).toBe(500);
  });

  test('an error with a header that cannot be sent cuts the connection, and the server lives on', async () => {
    const error = new ProblemError('overloaded', { headers: { 'X-Bad': 'a\nb' } });
    await using http = await startStub({ indexPage: throwing(error) });
    await expect(http.get('/')).rejects.toThrow();
    expect((await http.get('/nowhere')).status).toBe(404);
    expect(http.lines.map(({ message }) => message)).toContain('An error could not be answered.');
  });
});

describe('a form', () => {
  const filled = 'email=ada%40example.org&crd_command=x';

  test('a form during an outage comes back with what was typed, as a 503', async () => {
    await using http = await startStub({ requestVm: throwing(new ProblemError('database_unavailable')) });
    const response = await http.form('/api/request_vm', filled);
    expect(response.status).toBe(503);
    expect(await response.text()).toBe(
      '<form>requestVm database_unavailable [] {"email":"ada@example.org","crd_command":"x"}</form>',
    );
  });

  test('a form whose handler has a bug is answered with the error page', async () => {
    await using http = await startStub({ requestVm: throwing(new Error('a bug')) });
    const response = await http.form('/api/request_vm', filled);
    expect(response.status).toBe(500);
    expect(await response.text()).toBe('<p>error internal_error requestVm</p>');
  });

  test('a form that the handler refuses keeps the status that the handler gave', async () => {
    await using http = await startStub({
      requestVm: ({ accept }) =>
        accept === 'application/json' ? problem('none_free') : html('<p>none free</p>'),
    });
    const page = await http.form('/api/request_vm', filled);
    expect([page.status, await page.text()]).toEqual([200, '<p>none free</p>']);
    const refused = await http.form('/api/request_vm', filled, { accept: 'application/json' });
    expect(refused.status).toBe(409);
    const body = await problemOf(refused);
    expect(body.request_id).toBe(refused.headers.get('x-request-id'));
  });
});

describe('a page that cannot be rendered', () => {
  const pages = { error: throwing(new Error('no template')), form: throwing(new Error('no template')) };

  test('a page that cannot be rendered is the barest page, with the status', async () => {
    await using http = await startStub({}, { pages });
    const missing = await http.get('/nowhere', { headers: { accept: 'text/html' } });
    expect(missing.status).toBe(404);
    expect(await missing.text()).toMatch(/^<!doctype html>.*<h1>Not found<\/h1>/);
    const form = await http.form('/api/request_vm', 'email=a');
    expect(form.status).toBe(200);
    expect(await form.text()).toContain('crd_command is required');
    expect(http.lines.filter(({ level }) => level === 'error')).toHaveLength(2);
  });

  test('a page that cannot be rendered shows what was sent as text, never as markup', async () => {
    const error = new ProblemError('overloaded', { detail: '<script>alert(1)</script>&' });
    await using http = await startStub({ indexPage: throwing(error) }, { pages });
    expect(await (await http.get('/')).text()).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&amp;');
  });
});

describe('the log', () => {
  test('the log has one line for each request, without query, body and credentials', async () => {
    await using http = await startStub({
      requestVm: () => html('ok'),
      getLiveness: () => json({ status: 'ok' }),
      listVms: () => json({ items: [], next: null, total: 0 }),
    });
    await http.form(
      '/api/request_vm?secret=query',
      'email=typed%40example.org&crd_command=--code%3D4/secret',
    );
    await http.get('/api/v1/vms?search=secret', admin);
    await http.get('/nowhere?secret=1');
    await http.get('/api/health/live');
    await expect.poll(() => http.lines.length).toBe(4);
    expect(http.lines).toMatchObject([
      { level: 'info', method: 'POST', path: '/api/request_vm', endpoint: 'requestVm', status: 200 },
      { level: 'info', method: 'GET', path: '/api/v1/vms', endpoint: 'listVms', status: 200 },
      { level: 'info', method: 'GET', path: '/nowhere', endpoint: null, status: 404 },
      { level: 'debug', method: 'GET', path: '/api/health/live', endpoint: 'getLiveness', status: 200 },
    ]);
    for (const line of http.lines) {
      expect(line['ms']).toBeGreaterThanOrEqual(0);
      expect(line['request_id']).toMatch(/^[\w-]{16}$/);
    }
    expect(JSON.stringify(http.lines)).not.toMatch(/secret|typed|Basic|s3cret/);
  });

  test('without logRequests only failed and slow requests are logged at info', async () => {
    let timeMs = 0;
    await using http = await startStub(
      {
        getLiveness: () => json({ status: 'ok' }),
        listVms: () => {
          timeMs += 3_000;
          return json({ items: [], next: null, total: 0 });
        },
        requestVm: () => {
          throw new Error('a bug');
        },
      },
      { logRequests: false, nowMs: () => timeMs },
    );
    await http.get('/api/health/live');
    await http.get('/nowhere');
    await http.get('/api/v1/vms', admin);
    await http.form('/api/request_vm', 'email=a%40example.org&crd_command=4/0Aexample');
    const requests = () => http.lines.filter(({ message }) => message === 'A request was answered.');
    await expect.poll(() => requests().length).toBe(4);
    expect(requests().map(({ level, path }) => [level, path])).toEqual([
      ['debug', '/api/health/live'],
      ['debug', '/nowhere'],
      ['info', '/api/v1/vms'],
      ['info', '/api/request_vm'],
    ]);
  });
});

describe('requests of one address', () => {
  test('an admin, a machine and a browser that are known have limits of their own behind a loud address', async () => {
    const heard: [string, boolean][] = [];
    await using http = await startStub(
      {
        getUnassignedVmsCount: () => json({ count: 1 }),
        adminPage: () => ({ status: 200, type: 'text/html', body: '<p>overview</p>' }),
        postHeartbeat: () => json({ message: 'ok', action: 'none', assignment_id: null }),
        indexPage: () => ({ status: 200, type: 'text/html', body: '<p>form</p>' }),
      },
      { requestsPerMinute: 4, onRefusedHeartbeat: (...args) => void heard.push(args) },
    );
    const vm = { authorization: `Bearer ${VM_TOKEN}` };
    const beat = (headers: Record<string, string>, hostname = VM) =>
      http
        .post(`/api/v1/vms/${hostname}/heartbeat`, { boot_id: 'one' }, headers)
        .then(({ status }) => status);
    const cookie = (await http.get('/')).headers.get('set-cookie')?.split(';')[0] ?? '';
    expect(cookie).not.toBe('');
    for (let count = 0; count < 5; count += 1) await http.get('/api/unassigned_vms_count');
    expect((await http.get('/api/unassigned_vms_count')).status).toBe(429);

    // Right credentials that nobody has seen before are looked at, and known from then on.
    expect(await beat(vm)).toBe(200);
    expect((await http.get('/admin', admin)).status).toBe(200);
    expect((await http.get('/', { headers: { cookie } })).status).toBe(200);
    // A cookie that we did not sign, and wrong credentials, belong to the address; those are looked at a few times.
    expect((await http.get('/', { headers: { cookie: `${cookie}x` } })).status).toBe(429);
    const wrong = { headers: { authorization: 'Basic eDp5' } };
    const statuses = [];
    for (let count = 0; count < 4; count += 1) statuses.push((await http.get('/admin', wrong)).status);
    expect(statuses).toEqual([401, 401, 429, 429]);

    // Each has a bound too, and a refused heartbeat is a sign of life; it proves something only with the right token.
    for (let count = 0; count < 4; count += 1) expect(await beat(vm)).toBe(200);
    expect(await beat(vm)).toBe(429);
    expect(await beat(vm, 'vm-2')).toBe(429);
    expect(await beat({})).toBe(429);
    expect(heard).toEqual([
      [VM, true],
      [VM, false],
    ]);
  });

  test('a request that came through a proxy is told where no proxy is trusted', async () => {
    let told = 0;
    const headers = { 'x-forwarded-for': '192.0.2.1' };
    const options = { onUntrustedProxy: () => (told += 1) };
    const live = { getLiveness: () => json({ status: 'ok' }) };
    await using trusting = await startStub(live, { ...options, trustProxy: 1 });
    await trusting.get('/api/health/live', { headers });
    await using wary = await startStub(live, options);
    await wary.get('/api/health/live');
    expect(told).toBe(0);
    await wary.get('/api/health/live', { headers });
    expect(told).toBe(1);
  });

  test('requests from one address are limited, and health checks are not counted', async () => {
    await using http = await startStub(
      { getLiveness: () => json({ status: 'ok' }), getUnassignedVmsCount: () => json({ count: 1 }) },
      { requestsPerMinute: 3 },
    );
    for (let count = 0; count < 5; count += 1) expect((await http.get('/api/health/live')).status).toBe(200);
    for (let count = 0; count < 3; count += 1)
      expect((await http.get('/api/unassigned_vms_count')).status).toBe(200);
    const refused = await http.get('/api/unassigned_vms_count');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await problemOf(refused)).code).toBe('too_many_requests');
    const page = await http.get('/');
    expect([page.status, await page.text()]).toEqual([429, '<p>error too_many_requests indexPage</p>']);
    expect((await http.get('/nowhere')).status).toBe(429);
    expect((await http.get('/api/health/live')).status).toBe(200);
  });

  test('X-Forwarded-For separates addresses only where the proxy is trusted', async () => {
    const stubs = { getUnassignedVmsCount: () => json({ count: 1 }) };
    const ask = async (http: Awaited<ReturnType<typeof startStub>>, address: string) =>
      (await http.get('/api/unassigned_vms_count', { headers: { 'x-forwarded-for': address } })).status;
    await using wary = await startStub(stubs, { requestsPerMinute: 1 });
    expect([await ask(wary, '192.0.2.1'), await ask(wary, '192.0.2.2')]).toEqual([200, 429]);
    await using trusting = await startStub(stubs, { requestsPerMinute: 1, trustProxy: 1 });
    expect([await ask(trusting, '192.0.2.1'), await ask(trusting, '192.0.2.2')]).toEqual([200, 200]);
    expect(await ask(trusting, '192.0.2.1')).toBe(429);
  });
});
