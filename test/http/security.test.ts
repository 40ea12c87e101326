import { describe, expect, test } from 'vitest';
import type { AnyInput } from '../../src/contract/erased.ts';
import type { Caller } from '../../src/contract/handlers.ts';
import { ProblemError } from '../../src/contract/problems.ts';
import type { HttpOptions } from '../../src/http/options.ts';
import { ADMIN, done, html, json, problemOf, startStub, VM, VM_TOKEN } from './harness.ts';

const CHALLENGE = 'Basic realm="LabLink", charset="UTF-8"';
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const ASSIGNMENT = '0b0f4c0e-58a1-4f0e-9a38-6f6a5b1d2c11';

async function doors(options: Partial<HttpOptions> = {}) {
  const callers: Caller[] = [];
  const bodies: unknown[] = [];
  const note = (input: AnyInput): typeof done => {
    callers.push(input.caller);
    bodies.push(input.body);
    return done;
  };
  const http = await startStub(
    {
      indexPage: (input) => {
        note(input);
        return html('index');
      },
      adminPage: (input) => {
        note(input);
        return html('admin');
      },
      launchVms: (input) => {
        note(input);
        return html('launched');
      },
      listVms: (input) => {
        note(input);
        return json({ items: [], next: null, total: 0 });
      },
      registerVm: (input) => {
        note(input);
        return { status: 409, type: 'application/problem+json', body: problemBody };
      },
      getAssignment: (input) => {
        note(input);
        return { status: 404, type: 'application/problem+json', body: { ...problemBody, status: 404 } };
      },
      updateVmStatus: note,
      postVmLogs: note,
      postVmMetrics: note,
      postOutcome: note,
    },
    options,
  );
  return { http, callers, bodies, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() };
}

const problemBody = { type: '/x', title: 'x', status: 409, code: 'x', detail: 'x', error: 'x' };
const report = { hostname: VM, status: 'running' };
const batch = { log_group: 'g', log_stream: VM, messages: [] };

test.each(['/api/scp-client', '/api/v1/vms/vm-1/data', '/api/v1/orphans?refresh=true'])(
  'a page of another site cannot make the browser of an admin GET %s, which changes something',
  async (path) => {
    const seen: string[] = [];
    await using http = await startStub({
      downloadData: () => json({}, 404),
      downloadVmData: () => json({}, 404),
      listOrphans: () => {
        seen.push('listed');
        return json({}, 503);
      },
    });
    const get = async (headers: Record<string, string>) =>
      (await http.get(path, { headers: { authorization: ADMIN, ...headers } })).status;
    expect(await get({ 'sec-fetch-site': 'cross-site', origin: 'http://evil.example' })).toBe(403);
    expect(await get({ 'sec-fetch-site': 'same-site' })).toBe(403);
    expect(seen).toEqual([]);
    // Our own pages, an address that was typed, and a program.
    for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }, {}])
      expect(await get(headers)).not.toBe(403);
  },
);

describe('the admin', () => {
  test('the admin gets in with the right password', async () => {
    await using t = await doors();
    expect((await t.http.get('/admin', { headers: { authorization: ADMIN } })).status).toBe(200);
    expect(t.callers).toEqual([{ kind: 'admin', user: 'admin', role: 'admin' }]);
  });

  test.each([
    ['nothing', undefined],
    ['a wrong password', `Basic ${btoa('admin:wrong')}`],
    ['no colon', `Basic ${btoa('admin')}`],
    ['garbage', 'Basic ???'],
    ['only the scheme', 'Basic'],
    ['another scheme', 'Digest username="admin"'],
    ['a bearer', 'Bearer vm-token-1'],
    ['an empty header', ''],
    ['two schemes', `Basic Bearer ${btoa('admin:s3cret')}`],
  ])('the admin is asked for the password after %s', async (_, authorization) => {
    await using t = await doors();
    const headers = authorization === undefined ? {} : { authorization };
    const page = await t.http.get('/admin', { headers });
    expect([page.status, page.headers.get('www-authenticate')]).toEqual([401, CHALLENGE]);
    expect(await page.text()).toBe('<p>error unauthorized adminPage</p>');
    const api = await t.http.get('/api/v1/vms', { headers });
    expect([api.status, api.headers.get('www-authenticate')]).toEqual([401, CHALLENGE]);
    expect((await problemOf(api)).code).toBe('unauthorized');
    expect(t.callers).toEqual([]);
  });

  test('the credentials are checked before the body is read', async () => {
    await using t = await doors();
    expect((await t.http.form('/api/launch', 'num_vms=x')).status).toBe(401);
    expect((await t.http.post('/api/v1/vms', '{"broken')).status).toBe(401);
  });

  test('a password that is sent to a public page is ignored', async () => {
    await using t = await doors();
    for (const authorization of [ADMIN, 'Basic d3Jvbmc6', 'Bearer nobody', 'garbage'])
      expect((await t.http.get('/', { headers: { authorization } })).status).toBe(200);
    expect(t.callers.every(({ kind }) => kind === 'anonymous')).toBe(true);
  });
});

describe('requests of other sites', () => {
  test.each([
    ['same-origin', 200],
    ['none', 200],
    ['same-site', 403],
    ['cross-site', 403],
    ['', 403],
  ])('a request with Sec-Fetch-Site "%s" is answered with %i', async (site, status) => {
    await using t = await doors();
    const headers = { authorization: ADMIN, 'sec-fetch-site': site, origin: 'https://evil.example' };
    const response = await t.http.form('/api/launch', 'num_vms=1', headers);
    expect(response.status).toBe(status);
    if (status === 403) expect(await response.text()).toBe('<p>error cross_site launchVms</p>');
  });

  test('requests from other sites are recognised by Origin where the browser sends no Sec-Fetch-Site', async () => {
    await using t = await doors({ publicUrl: 'https://lab.example.org' });
    const launch = async (headers: Record<string, string>) =>
      (await t.http.form('/api/launch', 'num_vms=1', { authorization: ADMIN, ...headers })).status;
    expect(await launch({})).toBe(200);
    expect(await launch({ origin: t.http.url })).toBe(200);
    expect(await launch({ origin: 'https://lab.example.org' })).toBe(200);
    expect(await launch({ origin: 'https://lab.example.org.evil.example' })).toBe(403);
    expect(await launch({ origin: 'http://127.0.0.1' })).toBe(403);
    expect(await launch({ origin: 'null' })).toBe(403);
    expect(await launch({ origin: 'garbage' })).toBe(403);
  });

  test('behind a trusted proxy requests from other sites are recognised by the host that the proxy names', async () => {
    const headers = {
      authorization: ADMIN,
      origin: 'https://lab.example.org',
      'x-forwarded-host': 'lab.example.org',
    };
    await using trusting = await doors({ trustProxy: 'loopback' });
    expect((await trusting.http.form('/api/launch', 'num_vms=1', headers)).status).toBe(200);
    await using wary = await doors();
    expect((await wary.http.form('/api/launch', 'num_vms=1', headers)).status).toBe(403);
  });

  test('requests from other sites may read, and may bring a token', async () => {
    await using t = await doors();
    const site = { 'sec-fetch-site': 'cross-site' };
    expect((await t.http.get('/admin', { headers: { authorization: ADMIN, ...site } })).status).toBe(200);
    const vm = { hostname: 'vm-2' };
    expect((await t.http.post('/api/v1/vms', vm, { ...bearer('registrar'), ...site })).status).toBe(409);
    const refused = await t.http.post('/api/v1/vms', vm, { authorization: ADMIN, ...site });
    expect([refused.status, (await problemOf(refused)).code]).toEqual([403, 'cross_site']);
  });
});

describe('tokens', () => {
  test('tokens are not needed where VM_AUTH is open', async () => {
    await using t = await doors();
    expect((await t.http.post('/api/vm-status', report)).status).toBe(200);
    expect(t.callers).toEqual([{ kind: 'anonymous' }]);
  });

  test('tokens are needed where VM_AUTH is required', async () => {
    await using t = await doors({ vmAuth: 'required' });
    for (const [path, body] of [
      ['/api/vm-status', report],
      ['/api/vm-logs', batch],
      [`/api/vm-metrics/${VM}`, {}],
    ] as const) {
      const response = await t.http.post(path, body);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /);
      expect((await problemOf(response)).code).toBe('token_required');
      expect((await t.http.post(path, body, bearer(VM_TOKEN))).status).toBe(200);
    }
    expect((await t.http.get('/')).status).toBe(200);
  });

  test.each(['Bearer nobody', 'Bearer', 'Bearer two words', 'bearer nobody', ADMIN, 'garbage', 'Token x'])(
    'the authorization "%s" is refused where none is needed',
    async (authorization) => {
      await using t = await doors();
      const response = await t.http.post('/api/vm-status', report, { authorization });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="LabLink", error="invalid_token"');
      expect((await problemOf(response)).code).toBe('token_wrong');
      expect(t.callers).toEqual([]);
    },
  );

  test('the token of a VM is valid for its own hostname only, wherever the request names it', async () => {
    await using t = await doors();
    const own = bearer(VM_TOKEN);
    expect((await t.http.post('/api/vm-status', report, own)).status).toBe(200);
    expect((await t.http.post('/api/vm-logs', batch, own)).status).toBe(200);
    expect((await t.http.post(`/api/vm-metrics/${VM}`, {}, own)).status).toBe(200);
    const path = `/api/v1/assignments/${ASSIGNMENT}/outcome`;
    expect((await t.http.post(path, { hostname: VM, outcome: 'failed' }, own)).status).toBe(200);
    const calls = t.callers.length;
    for (const [where, body] of [
      ['/api/vm-status', { ...report, hostname: 'other' }],
      ['/api/vm-status', { ...report, hostname: VM.toUpperCase() }],
      ['/api/vm-logs', { ...batch, log_stream: 'other' }],
      ['/api/vm-metrics/other', { hostname: VM }],
      [path, { hostname: 'other', outcome: 'failed' }],
    ] as const) {
      const response = await t.http.post(where, body, own);
      expect([response.status, (await problemOf(response)).code], where).toEqual([401, 'token_wrong']);
    }
    expect(t.callers).toHaveLength(calls);
  });

  test('the hostname of a token is compared after the request was found valid', async () => {
    await using t = await doors();
    expect((await t.http.post('/api/vm-status', { status: 'running' }, bearer(VM_TOKEN))).status).toBe(400);
  });

  test('the token of the forwarder is valid for the logs of every VM, and for nothing else', async () => {
    await using t = await doors();
    expect((await t.http.post('/api/vm-logs', batch, bearer('forwarder'))).status).toBe(200);
    expect((await t.http.post('/api/vm-status', report, bearer('forwarder'))).status).toBe(401);
    expect((await t.http.post('/api/v1/vms', { hostname: 'x' }, bearer('forwarder'))).status).toBe(401);
    expect(t.callers).toEqual([{ kind: 'forwarder' }]);
  });

  test('the registration token is valid for registering, and for nothing else', async () => {
    await using t = await doors();
    expect((await t.http.post('/api/v1/vms', { hostname: 'x' }, bearer('registrar'))).status).toBe(409);
    expect((await t.http.get('/api/v1/vms', { headers: bearer('registrar') })).status).toBe(401);
    expect((await t.http.post('/api/vm-logs', batch, bearer('registrar'))).status).toBe(401);
    expect(t.callers).toEqual([{ kind: 'registrar' }]);
  });

  test('a token that cannot be looked up is an outage, not a wrong token', async () => {
    const outage = new Error('connection refused');
    await using t = await doors({
      authenticate: {
        isBuiltIn: () => false,
        remembered: () => Promise.resolve(null),
        basic: () => Promise.resolve(null),
        hasToken: () => Promise.resolve(false),
        bearer: () => Promise.reject(outage),
      },
      classifyError: (error) => (error === outage ? new ProblemError('database_unavailable') : null),
    });
    const response = await t.http.post('/api/vm-status', report, bearer(VM_TOKEN));
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
  });
});

describe('the browser cookie as a credential', () => {
  const path = `/api/v1/assignments/${ASSIGNMENT}`;

  test('a request without cookie and password is answered with 401 and a challenge that opens no dialogue', async () => {
    await using t = await doors();
    const response = await t.http.get(path);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Cookie /);
    const forged = await t.http.get(path, {
      headers: { cookie: `lablink_browser=${'a'.repeat(22)}.${'b'.repeat(43)}` },
    });
    expect(forged.status).toBe(401);
    expect(t.callers).toEqual([]);
  });

  test("a valid browser cookie or the admin's password is accepted", async () => {
    await using t = await doors();
    const cookie = (await t.http.get('/')).headers.getSetCookie()[0]?.split(';')[0] ?? '';
    expect((await t.http.get(path, { headers: { cookie } })).status).toBe(404);
    expect((await t.http.get(path, { headers: { authorization: ADMIN } })).status).toBe(404);
    expect(t.callers.slice(1)).toEqual([
      { kind: 'anonymous' },
      { kind: 'admin', user: 'admin', role: 'admin' },
    ]);
  });

  test('a browser cookie does not make up for a wrong password', async () => {
    await using t = await doors();
    const cookie = (await t.http.get('/')).headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const response = await t.http.get(path, { headers: { cookie, authorization: 'Basic d3Jvbmc6' } });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, CHALLENGE]);
  });
});
