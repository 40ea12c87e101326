import { describe, expect, test } from 'vitest';
import { endpointList } from '../../src/contract/erased.ts';
import { html, json, problemOf, startStub, wire } from './harness.ts';

const concrete = (path: string): string => path.replaceAll(/\{\w+\}/g, 'x');

describe('the router and the contract', () => {
  test('every endpoint of the contract is mounted', async () => {
    await using http = await startStub();
    for (const { id, method, path } of endpointList) {
      const response = await http.get(concrete(path), { method: method.toUpperCase() });
      expect([404, 405], id).not.toContain(response.status);
      await response.body?.cancel();
    }
  });

  test('nothing is mounted that is not in the contract', async () => {
    await using http = await startStub();
    const told = endpointList.map(
      ({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    );
    expect(http.app.routes().toSorted()).toEqual(told.toSorted());
  });

  test('a fixed path comes before the parameter that would match it', async () => {
    await using http = await startStub({ streamVmChanges: () => Promise.reject(new Error('the stream')) });
    const response = await http.get('/api/v1/vms/events', { headers: { authorization: 'Basic eA==' } });
    expect(response.status).toBe(401);
    await expect.poll(() => http.lines.map((line) => line['endpoint'])).toContain('streamVmChanges');
  });
});

test.each([
  'http://lab.example.org/api/unassigned_vms_count',
  'HTTP://lab.example.org/api/unassigned_vms_count?x=1',
  '/api/unassigned_vms_count#there',
  '/api/unassigned_vms_count?x=1#there',
  '/api/unassigned_vms_count#there?x=1',
])('a request line with the target %s is served like one with the path', async (target) => {
  await using http = await startStub({ getUnassignedVmsCount: () => json({ count: 3 }) });
  using client = await wire(http.port, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await client.ended;
  expect(client.text()).toMatch(/^HTTP\/1\.1 200 [^]*\{"count":3\}$/);
});

test('a request line with an address without a path is served like one with the path /', async () => {
  await using http = await startStub({ indexPage: () => html('the first page') });
  const line = 'GET http://lab.example.org?x=1 HTTP/1.1';
  using client = await wire(http.port, `${line}\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await client.ended;
  expect(client.text()).toMatch(/^HTTP\/1\.1 200 [^]*the first page$/);
});

describe('HEAD', () => {
  test('HEAD is served as GET, without a body', async () => {
    await using http = await startStub({ getUnassignedVmsCount: () => json({ count: 3 }) });
    const head = await http.get('/api/unassigned_vms_count', { method: 'HEAD' });
    const get = await http.get('/api/unassigned_vms_count');
    expect(head.status).toBe(200);
    expect(await head.text()).toBe('');
    expect(head.headers.get('content-length')).toBe(get.headers.get('content-length'));
    expect(head.headers.get('content-type')).toBe('application/json');
    expect(await get.json()).toEqual({ count: 3 });
  });

  test('HEAD is refused where GET is refused', async () => {
    await using http = await startStub();
    expect((await http.get('/vm_startup', { method: 'HEAD' })).status).toBe(405);
  });
});

describe('what is not in the contract', () => {
  test.each(['DELETE', 'PUT', 'PATCH', 'OPTIONS'])(
    'the method %s is answered with 405 and the allowed methods',
    async (method) => {
      await using http = await startStub();
      const response = await http.get('/api/vm-status', { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD, POST');
      expect((await problemOf(response)).code).toBe('method_not_allowed');
    },
  );

  test('a TRACE request is answered with 405', async () => {
    await using http = await startStub();
    using client = await wire(http.port, 'TRACE /admin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await client.ended;
    expect(client.text()).toMatch(/^HTTP\/1\.1 405 /);
  });

  test('an unknown path is a problem for programs', async () => {
    await using http = await startStub();
    const response = await http.get('/nowhere?x=1');
    expect(response.status).toBe(404);
    expect((await problemOf(response)).code).toBe('not_found');
  });

  test('an unknown path is a page for browsers', async () => {
    await using http = await startStub();
    const response = await http.get('/nowhere', { headers: { accept: 'text/html,*/*;q=0.8' } });
    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await response.text()).toBe('<p>error not_found nowhere</p>');
  });

  test.each(['/admin/', '/ADMIN', '//admin', '/admin/../admin/x', '/*', '/.env'])(
    'the path %s is not served',
    async (path) => {
      await using http = await startStub({ adminPage: () => html('the dashboard') });
      using client = await wire(http.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      await client.ended;
      expect(client.text()).toMatch(/^HTTP\/1\.1 404 /);
    },
  );

  test.each([
    ['/api/vm-status/%E0%A4%A', 'application/problem+json'],
    ['/assignments/%E0%A4%A', 'text/html; charset=utf-8'],
    ['/static/%', 'application/problem+json'],
    ['/api/vm-status/%00', 'application/problem+json'],
    ['/admin/logs/%00', 'text/html; charset=utf-8'],
    ['/api/vm-status/..%2f..%2fetc', 'application/problem+json'],
    ['/api/vm-status/a%2Fb', 'application/problem+json'],
  ])('the damaged address %s is answered with 400 in the media type of its endpoint', async (path, type) => {
    await using http = await startStub();
    const authorization = `Basic ${Buffer.from('admin:s3cret:ä').toString('base64')}`;
    const response = await http.get(path, { headers: { authorization } });
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe(type);
    expect(http.lines.filter((line) => line.level === 'error')).toEqual([]);
  });

  test('a hostname of 5,000 characters is answered with 400', async () => {
    await using http = await startStub();
    const response = await http.get(`/api/vm-status/${'a'.repeat(5_000)}`);
    expect((await problemOf(response)).errors).toEqual([
      { field: 'hostname', code: 'max_length', message: 'hostname must have at most 253 characters' },
    ]);
  });
});
