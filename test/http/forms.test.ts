import { describe, expect, test } from 'vitest';
import { bodyEcho, LIMIT_BYTES } from './body-echo.ts';
import { ADMIN, problemOf, wire } from './harness.ts';
import { convertForm, parseForm } from '../../src/http/form.ts';

const parseFields = (text: string) => Object.keys(convertForm(parseForm(text), {}).value);

describe('forms', () => {
  const authorization = { authorization: ADMIN };

  test('forms are decoded, and unknown fields do no harm', async () => {
    await using t = await bodyEcho();
    const body = 'email=ada%40example.org&crd_command=a+b%2Bc&__proto__=x&constructor=y&email2';
    expect((await t.http.form('/api/request_vm', body)).status).toBe(200);
    expect(t.seen[0]).toMatchObject({ email: 'ada@example.org', crd_command: 'a b+c', email2: '' });
  });

  test('a form with thousands of fields is read within half a second', async () => {
    await using t = await bodyEcho();
    const names = Array.from({ length: 15_000 }, (_, at) => `${at.toString(36)}&`).join('');
    const startedMs = performance.now();
    expect(parseFields(names)).toHaveLength(15_000);
    expect(performance.now() - startedMs).toBeLessThan(500);
    expect(names.length).toBeLessThan(LIMIT_BYTES);
    expect((await t.http.form('/api/request_vm', `${names}email=ada%40example.org`)).status).toBe(200);
  });

  test('a chunked form without a byte and without a content type is an empty form', async () => {
    await using t = await bodyEcho();
    const head =
      'POST /api/request_vm HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked';
    using client = await wire(t.http.port, `${head}\r\n\r\n0\r\n\r\n`);
    await client.ended;
    expect(client.text()).toMatch(/^HTTP\/1\.1 200 [^]*email is required/);
  });

  test.each(['0x10', '1e1', ' 3 ', '+3', '3.0', '3.', '03', 'three', '٣', '99999999999999999999', '-'])(
    'the form value "%s" is not a whole number',
    async (value) => {
      await using t = await bodyEcho();
      const response = await t.http.form(
        '/api/launch',
        `num_vms=${encodeURIComponent(value)}`,
        authorization,
      );
      expect(response.status).toBe(200);
      expect(await response.text()).toContain('num_vms must be a whole number');
      expect(t.seen).toEqual([]);
    },
  );

  test('an empty number field of a form counts as not given', async () => {
    await using t = await bodyEcho();
    await t.http.form('/api/launch', 'num_vms=3&hours=', authorization);
    expect(t.seen).toEqual([{ num_vms: 3 }]);
    const response = await t.http.form('/api/launch', 'num_vms=', authorization);
    expect(await response.text()).toContain('num_vms is required');
  });

  test('forms turn 3 into a number', async () => {
    await using t = await bodyEcho();
    await t.http.form('/api/launch', 'num_vms=3', authorization);
    expect(t.seen).toEqual([{ num_vms: 3 }]);
  });

  test.each([
    ['-1', 'num_vms must be at least 1'],
    ['0', 'num_vms must be at least 1'],
    ['1001', 'num_vms must be at most 1000'],
  ])('forms refuse the number %s and name the limit', async (value, message) => {
    await using t = await bodyEcho();
    expect(await (await t.http.form('/api/launch', `num_vms=${value}`, authorization)).text()).toContain(
      message,
    );
  });

  test('forms refuse a field that is given twice, and one with NUL', async () => {
    await using t = await bodyEcho();
    const twice = await t.http.form('/api/request_vm', 'email=a&email=b&crd_command=x');
    expect(await twice.text()).toContain('email was given more than once');
    const nul = await t.http.form('/api/request_vm', 'email=a%00&crd_command=x');
    expect(await nul.text()).toContain('email must not contain NUL characters');
    expect(t.seen).toEqual([]);
  });

  test('forms come back with what was typed, as a 200', async () => {
    await using t = await bodyEcho();
    const response = await t.http.form('/api/request_vm', 'email=ada%40example.org&crd_command=');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await response.text()).toBe(
      '<form>requestVm invalid_request [{"field":"crd_command","code":"min_length","message":"crd_command must not be empty"}] {"email":"ada@example.org","crd_command":""}</form>',
    );
  });

  test('forms are a problem where the client asks for JSON', async () => {
    await using t = await bodyEcho();
    const response = await t.http.form('/api/request_vm', 'email=a', { accept: 'application/json' });
    expect(response.status).toBe(400);
    expect((await problemOf(response)).errors).toEqual([
      { field: 'crd_command', code: 'required', message: 'crd_command is required' },
    ]);
  });

  test('a POST without a body and without a type is an empty form', async () => {
    await using t = await bodyEcho();
    const asked = await t.http.get('/api/request_vm', { method: 'POST' });
    expect(asked.status).toBe(200);
    expect(await asked.text()).toContain('email is required');
    const destroyed = await t.http.get('/destroy', { method: 'POST', headers: authorization });
    expect(await destroyed.text()).toBe('destroyed');
  });

  test.each([
    ['a damaged escape', 'email=%E0%A4%A&crd_command=x', {}, 400],
    ['bytes that are no UTF-8', 'email=%ff&crd_command=x', {}, 400],
    ['a body over the limit', `email=${'x'.repeat(LIMIT_BYTES)}`, {}, 413],
    ['another type', 'a,b', { 'content-type': 'text/csv' }, 415],
    [
      'another charset',
      'email=a',
      { 'content-type': 'application/x-www-form-urlencoded; charset=latin1' },
      415,
    ],
  ])(
    'a form with %s is answered with the form page and the status of the problem',
    async (_, body, headers, status) => {
      await using t = await bodyEcho();
      const response = await t.http.form('/api/request_vm', body, headers);
      expect(response.status).toBe(status);
      expect(await response.text()).toMatch(/^<form>requestVm /);
    },
  );

  test('a program that sends JSON to a form, and accepts anything, is answered with JSON', async () => {
    await using t = await bodyEcho();
    const headers = { 'content-type': 'application/json' };
    const response = await t.http.form('/api/request_vm', '{}', headers);
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ code: 'unsupported_media_type' });
    const browser = await t.http.form('/api/request_vm', '{}', { ...headers, accept: 'text/html' });
    expect(await browser.text()).toMatch(/^<form>requestVm /);
  });

  test('the form page of an admin endpoint is shown to the admin only', async () => {
    await using t = await bodyEcho();
    const response = await t.http.form('/api/launch', 'num_vms=x');
    expect(response.status).toBe(401);
    expect(await response.text()).toBe('<p>error unauthorized launchVms</p>');
  });

  test('forms come back with a bounded amount of what was typed', async () => {
    await using t = await bodyEcho();
    const response = await t.http.form('/api/request_vm', `email=${'x'.repeat(50_000)}`);
    expect((await response.text()).length).toBeLessThan(9_000);
  });
});
