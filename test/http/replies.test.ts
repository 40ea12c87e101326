import { describe, expect, test } from 'vitest';
import type { AnyInput } from '../../src/contract/erased.ts';
import type { AnyReply } from '../../src/contract/handlers.ts';
import { html, json, problemOf, startStub, wire } from './harness.ts';

describe('every answer', () => {
  test('every answer has the security headers, and none that names the software', async () => {
    await using http = await startStub({ indexPage: () => html('index') });
    for (const [path, status] of [
      ['/', 200],
      ['/nowhere', 404],
      ['/admin', 401],
      ['/docs', 500],
    ] as const) {
      const { headers, status: got } = await http.get(path);
      expect(got).toBe(status);
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      );
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('same-origin');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('etag')).toBeNull();
    }
  });

  test('every answer has the headers of the reply, which override the usual ones', async () => {
    const asset: AnyReply = {
      status: 200,
      type: 'text/css',
      body: 'p{}',
      headers: { 'cache-control': 'public, max-age=300' },
    };
    await using http = await startStub({ getAsset: () => asset });
    const response = await http.get('/static/app.css');
    expect(response.headers.get('cache-control')).toBe('public, max-age=300');
    expect(response.headers.get('content-type')).toBe('text/css; charset=utf-8');
    expect(await response.text()).toBe('p{}');
  });

  test('every answer has a request id: that of the proxy where it is harmless, else a new one', async () => {
    await using http = await startStub();
    const idFor = async (given?: string) => {
      const response = await http.get(
        '/nowhere',
        given === undefined ? {} : { headers: { 'x-request-id': given } },
      );
      const id = response.headers.get('x-request-id');
      expect((await problemOf(response)).request_id).toBe(id);
      return id;
    };
    expect(await idFor('abc-DEF_12')).toBe('abc-DEF_12');
    for (const bad of ['short', 'x'.repeat(65), 'has space1', 'semi;colon', undefined])
      expect(await idFor(bad)).toMatch(/^[\w-]{16}$/);
  });
});

describe('media types', () => {
  test.each([
    [undefined, 'text/html'],
    ['*/*', 'text/html'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'text/html'],
    ['application/json', 'application/json'],
    ['application/json, text/html;q=0.5', 'application/json'],
    ['application/*', 'application/json'],
    ['image/png', 'text/html'],
    ['garbage', 'text/html'],
  ])('Accept: %s prefers %s of what is declared', async (accept, expected) => {
    const seen: string[] = [];
    await using http = await startStub({
      requestVm: (input: AnyInput) => {
        seen.push(input.accept);
        return html('page');
      },
    });
    const body = 'email=a&crd_command=b';
    const head = `POST /api/request_vm HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n`;
    using client = await wire(
      http.port,
      `${head}${accept === undefined ? '' : `Accept: ${accept}\r\n`}\r\n${body}`,
    );
    await client.ended;
    expect(seen).toEqual([expected]);
  });
});

describe('a reply that breaks the contract', () => {
  const broken: readonly [string, AnyReply, RegExp][] = [
    ['an undeclared status', json({ count: 1 }, 201), /status 201 is not declared/],
    [
      'an undeclared type',
      { status: 200, type: 'text/html', body: 'x' },
      /text\/html is not declared for status 200/,
    ],
    ['a wrong body', json({ count: 'many' }), /count must be integer/],
    ['a missing field', json({}), /must have required property 'count'/],
    ['no body', json(undefined), /response body required/],
    [
      'a wrong problem',
      { status: 429, type: 'application/problem+json', body: { code: 'x' } },
      /required property/,
    ],
  ];

  test.each(broken)(
    'a reply that breaks the contract (%s) is a 500 in the mode throw',
    async (_, reply, fault) => {
      await using http = await startStub({ getUnassignedVmsCount: () => reply });
      const response = await http.get('/api/unassigned_vms_count');
      expect(response.status).toBe(500);
      expect((await problemOf(response)).code).toBe('internal_error');
      const [error] = http.lines.filter(({ level }) => level === 'error');
      expect(String(error?.['err'])).toMatch(fault);
      expect(http.app.responseFaults()).toBe(1);
    },
  );

  test.each(broken)(
    'a reply that breaks the contract (%s) is logged, counted and sent in the mode log',
    async (_, reply, fault) => {
      await using http = await startStub({ getUnassignedVmsCount: () => reply }, { responseFaults: 'log' });
      const response = await http.get('/api/unassigned_vms_count');
      expect(response.status).toBe(reply.status);
      await response.body?.cancel();
      const [warning] = http.lines.filter(({ level }) => level === 'warn');
      expect(warning?.['fault']).toMatch(fault);
      expect(http.app.responseFaults()).toBe(1);
    },
  );
});

test('every 503 has Retry-After, also where the handler sets none', async () => {
  await using http = await startStub({ getHealth: () => json({ status: 'unavailable', checks: [] }, 503) });
  expect((await http.get('/api/health')).headers.get('retry-after')).toBe('5');
});
