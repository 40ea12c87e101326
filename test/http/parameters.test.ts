import { describe, expect, test } from 'vitest';
import type { AnyInput } from '../../src/contract/erased.ts';
import { ADMIN, html, json, problemOf, startStub } from './harness.ts';

const PAGE = json({ items: [], next: null, total: 0 });

async function listing() {
  const queries: unknown[] = [];
  const http = await startStub({
    listVms: ({ query }: AnyInput) => {
      queries.push(query);
      return PAGE;
    },
    getVmStatus: ({ path }: AnyInput) => json({ ...(path as { hostname: string }), status: 'running' }),
    getUnassignedVmsCount: () => json({ count: 1 }),
  });
  const list = (query: string) => http.get(`/api/v1/vms${query}`, { headers: { authorization: ADMIN } });
  return { http, list, queries, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() };
}

describe('path parameters', () => {
  test('each request of an endpoint has its own, decoded, and is validated by its own method', async () => {
    await using t = await listing();
    for (const hostname of ['vm-1', 'vm-2', 'vm-1', 'vm 3']) {
      const path = `/api/vm-status/${encodeURIComponent(hostname)}`;
      const response = await t.http.get(path);
      if (hostname === 'vm 3') expect(response.status).toBe(400);
      else expect(await response.json()).toEqual({ hostname, status: 'running' });
      expect((await t.http.get(path, { method: 'HEAD' })).status).toBe(response.status);
    }
  });
});

describe('query parameters', () => {
  test('query parameters become what the contract declares, with its defaults', async () => {
    await using t = await listing();
    expect((await t.list('')).status).toBe(200);
    expect((await t.list('?limit=7&assigned=false&search=a%40b+c&status=running&after=vm-1')).status).toBe(
      200,
    );
    expect(t.queries).toEqual([
      { limit: 100 },
      { limit: 7, assigned: false, search: 'a@b c', status: 'running', after: 'vm-1' },
    ]);
  });

  test('an empty text as a query parameter is accepted where its schema allows it', async () => {
    const queries: unknown[] = [];
    await using http = await startStub({
      instancesPage: ({ query }: AnyInput) => {
        queries.push(query);
        return { status: 200, type: 'text/html', body: '<!doctype html>' };
      },
    });
    const page = await http.get('/admin/instances?q=&show=free', { headers: { authorization: ADMIN } });
    expect(page.status).toBe(200);
    expect(queries).toEqual([{ q: '', show: 'free' }]);
  });

  test.each([
    ['limit=0x10', 'limit must be a whole number'],
    ['limit=1e1', 'limit must be a whole number'],
    ['limit=%203', 'limit must be a whole number'],
    ['limit=', 'limit must not be empty'],
    ['limit=0', 'limit must be at least 1'],
    ['limit=1001', 'limit must be at most 1000'],
    ['limit=1&limit=2', 'limit must be a whole number'],
    ['assigned=1', 'assigned must be true or false'],
    ['assigned=TRUE', 'assigned must be true or false'],
    ['status=gone', /^status must be one of: initializing, running/],
    ['search=%00', 'search must not contain NUL characters'],
    ['page=2', 'page is not a known query parameter'],
    ['limit[]=1', 'limit[] is not a known query parameter'],
    ['search[a]=x', 'search[a] is not a known query parameter'],
    ['__proto__[limit]=1', '__proto__[limit] is not a known query parameter'],
    ['__proto__=1', '__proto__ is not a known query parameter'],
  ])('the query %s is answered with 400', async (query, message) => {
    await using t = await listing();
    const response = await t.list(`?${query}`);
    expect(response.status).toBe(400);
    const expected: unknown = typeof message === 'string' ? message : expect.stringMatching(message);
    expect((await problemOf(response)).errors?.map((error) => error.message)).toEqual([expected]);
  });

  test('unknown and damaged query parameters are ignored where the contract allows them', async () => {
    await using t = await listing();
    for (const query of ['?x=1&x=2', '?%', '?%E0%A4%A=%ff', '?a[b]=c', '?', '?&&=&'])
      expect((await t.http.get(`/api/unassigned_vms_count${query}`)).status, query).toBe(200);
  });
});

test('a page accepts the empty fields of its own form', async () => {
  const seen: unknown[] = [];
  await using http = await startStub({
    instancesPage: ({ query }) => {
      seen.push(query);
      return html('found');
    },
    createInstancesPage: () => html('suggested'),
  });
  const headers = { authorization: ADMIN };
  expect((await http.get('/admin/instances?sort=&q=&show=&page=', { headers })).status).toBe(200);
  expect((await http.get('/admin/create?participants=', { headers })).status).toBe(200);
  expect(seen).toEqual([{ sort: '', q: '', show: '', page: '' }]);
});

describe('path parameters', () => {
  test('path parameters are decoded once', async () => {
    await using t = await listing();
    expect(await (await t.http.get('/api/vm-status/a%2Db')).json()).toMatchObject({ hostname: 'a-b' });
    expect((await t.http.get('/api/vm-status/a%252Db')).status).toBe(400);
  });
});

describe('Last-Event-ID', () => {
  test('Last-Event-ID reaches the handler, and its length is limited', async () => {
    const seen: unknown[] = [];
    await using http = await startStub({
      streamVmChanges: ({ lastEventId }) => {
        seen.push(lastEventId);
        return { status: 200, type: 'text/event-stream', body: (async function* () {})() };
      },
    });
    const ask = (headers: Record<string, string>) =>
      http.get('/api/v1/vms/events', { headers: { authorization: ADMIN, ...headers } });
    await (await ask({})).text();
    await (await ask({ 'last-event-id': '17' })).text();
    expect(seen).toEqual([null, '17']);
    expect((await ask({ 'last-event-id': 'x'.repeat(65) })).status).toBe(400);
  });
});
