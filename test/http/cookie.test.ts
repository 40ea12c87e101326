import { expect, test } from 'vitest';
import type { AnyInput } from '../../src/contract/erased.ts';
import type { HttpOptions } from '../../src/http/options.ts';
import { html, json, startStub } from './harness.ts';

async function browsers(options: Partial<HttpOptions> = {}) {
  const ids: (string | null)[] = [];
  const note = ({ browserId }: AnyInput) => {
    ids.push(browserId);
    return html('page');
  };
  const http = await startStub(
    {
      indexPage: note,
      requestVm: note,
      getUnassignedVmsCount: (input) => {
        note(input);
        return json({ count: 0 });
      },
    },
    options,
  );
  const visit = async (cookie?: string) => http.get('/', cookie === undefined ? {} : { headers: { cookie } });
  return { http, ids, visit, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() };
}

test('a browser gets an id once and is recognised by it afterwards', async () => {
  await using t = await browsers();
  const [header = ''] = (await t.visit()).headers.getSetCookie();
  expect(header).toMatch(
    /^lablink_browser=[\w-]{22}\.[\w-]{43}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/,
  );
  const [cookie = ''] = header.split(';');
  for (const sent of [cookie, `a=b; ${cookie}`, `${cookie};c=d`, `lablink_browser=x; ${cookie}`])
    expect((await t.visit(sent)).headers.getSetCookie()).toEqual([]);
  const [first] = t.ids;
  expect(cookie).toContain(`=${first}.`);
  expect(t.ids).toEqual([first, first, first, first, first]);
});

test('two browsers get different ids', async () => {
  await using t = await browsers();
  await t.visit();
  await t.visit();
  expect(new Set(t.ids).size).toBe(2);
});

test.each([
  ['another id', (cookie: string) => cookie.replace(/=../, '=zz')],
  ['another signature', (cookie: string) => cookie.replace(/\.../, '.zz')],
  ['no signature', (cookie: string) => cookie.replace(/\..*/, '')],
  ['another name', (cookie: string) => `x${cookie}`],
])('a cookie with %s is replaced', async (_, change) => {
  await using t = await browsers();
  const [cookie = ''] = (await t.visit()).headers.getSetCookie()[0]?.split(';') ?? [];
  const response = await t.visit(change(cookie));
  expect(response.headers.getSetCookie()).toHaveLength(1);
  expect(t.ids[1]).not.toBe(t.ids[0]);
});

test('a cookie of another key is replaced', async () => {
  await using theirs = await browsers({ browserCookie: { key: Buffer.from('another'), secure: false } });
  await using ours = await browsers();
  const [cookie = ''] = (await theirs.visit()).headers.getSetCookie()[0]?.split(';') ?? [];
  expect((await ours.visit(cookie)).headers.getSetCookie()).toHaveLength(1);
});

test('the cookie is Secure where the server is reached by https', async () => {
  await using t = await browsers({ browserCookie: { key: Buffer.from('k'), secure: true } });
  expect((await t.visit()).headers.getSetCookie()[0]).toMatch(/; Secure$/);
});

test('endpoints that do not ask for it neither get nor set it', async () => {
  await using t = await browsers();
  const [cookie = ''] = (await t.visit()).headers.getSetCookie()[0]?.split(';') ?? [];
  const response = await t.http.get('/api/unassigned_vms_count', { headers: { cookie } });
  expect(response.headers.getSetCookie()).toEqual([]);
  expect(t.ids[1]).toBeNull();
});

test('a form of another site, which brings no cookie, does not replace that of the browser', async () => {
  await using t = await browsers();
  const body = new URLSearchParams({ email: 'ada@example.org', crd_command: '--code=a' });
  const send = (headers: Record<string, string>) =>
    fetch(`${t.http.url}/api/request_vm`, { method: 'POST', headers, body });
  expect((await send({ 'Sec-Fetch-Site': 'cross-site' })).headers.getSetCookie()).toEqual([]);
  expect((await send({ Origin: 'https://evil.example' })).headers.getSetCookie()).toEqual([]);
  expect((await send({ 'Sec-Fetch-Site': 'same-origin' })).headers.getSetCookie()).toHaveLength(1);
  expect((await send({})).headers.getSetCookie()).toHaveLength(1);
});
