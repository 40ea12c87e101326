import { describe, expect, test } from 'vitest';
import { bodyEcho } from './body-echo.ts';
import { problemOf, VM } from './harness.ts';

describe('JSON bodies', () => {
  test('JSON bodies reach the handler as they are', async () => {
    await using t = await bodyEcho();
    const response = await t.http.post('/api/vm-status', { hostname: VM, status: 'running', extra: [1] });
    expect(response.status).toBe(200);
    expect(t.seen).toEqual([{ hostname: VM, status: 'running', extra: [1] }]);
  });

  test('invalid JSON is answered with 400 and the position of the error', async () => {
    await using t = await bodyEcho();
    const response = await t.http.post('/api/vm-status', '{"hostname": "a",\n "status": running}');
    const problem = await problemOf(response);
    expect([response.status, problem.code]).toEqual([400, 'invalid_json']);
    expect(problem.detail).toMatch(/'r', .*"status": running/s);
    expect((await problemOf(await t.http.post('/api/vm-status', '{"hostname": "a" "b"}'))).detail).toContain(
      'line 1 column 18',
    );
    expect((await problemOf(await t.http.post('/api/vm-status', '{"hostname":'))).detail).toContain(
      'end of JSON',
    );
    expect(t.seen).toEqual([]);
  });

  test('a byte order mark before a JSON body is ignored', async () => {
    await using t = await bodyEcho();
    const body = `\ufeff${JSON.stringify({ hostname: VM, status: 'running' })}`;
    expect((await t.http.post('/api/vm-status', body)).status).toBe(200);
    expect(t.seen).toEqual([{ hostname: VM, status: 'running' }]);
  });

  test('values of JSON bodies are not converted to other types', async () => {
    await using t = await bodyEcho();
    const response = await t.http.post('/api/vm-status', { hostname: 123, status: 'gone' });
    const problem = await problemOf(response);
    expect(response.status).toBe(400);
    expect(problem.code).toBe('invalid_request');
    expect(problem.errors).toEqual([
      { field: 'hostname', code: 'type', message: 'hostname must be text' },
      { field: 'status', code: 'enum', message: 'status must be one of: initializing, running, error' },
    ]);
    expect(problem.error).toBe('hostname must be text; status must be one of: initializing, running, error.');
  });

  test.each([
    ['nothing', undefined, 'body', 'required', 'body is required'],
    ['null', 'null', 'body', 'type', 'body must be an object'],
    ['a list', '[]', 'body', 'type', 'body must be an object'],
    ['text', '"x"', 'body', 'type', 'body must be an object'],
    ['an empty object', '{}', 'hostname', 'required', 'hostname is required'],
  ])('a JSON body of %s is answered with what is missing', async (_, body, field, code, message) => {
    await using t = await bodyEcho();
    const init = body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } };
    const response = await t.http.get('/api/vm-status', { method: 'POST', ...init });
    expect(response.status).toBe(400);
    expect((await problemOf(response)).errors).toContainEqual({ field, code, message });
  });

  test('JSON bodies with __proto__, duplicate keys and absurd nesting do no harm', async () => {
    await using t = await bodyEcho();
    const nested = `{"hostname":"${VM}","status":"running","x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    const proto = `{"hostname":"a","hostname":"${VM}","status":"running","__proto__":{"polluted":true}}`;
    const bare = '{"__proto__":{"hostname":"a","status":"running"}}';
    expect((await t.http.post('/api/vm-status', nested)).status).toBe(200);
    expect((await t.http.post('/api/vm-status', proto)).status).toBe(200);
    expect((await t.http.post('/api/vm-status', bare)).status).toBe(400);
    expect(t.seen).toHaveLength(2);
    expect(t.seen[1]).toMatchObject({ hostname: VM });
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  test('JSON bodies with NUL in a text that would be stored are 400; in a field that nobody knows it is ignored', async () => {
    await using t = await bodyEcho();
    const outcome = { hostname: VM, outcome: 'failed', message: 'a\0' };
    const stored = await t.http.post(`/api/v1/assignments/${crypto.randomUUID()}/outcome`, outcome);
    expect(stored.status).toBe(400);
    expect((await problemOf(stored)).errors).toEqual([
      { field: 'message', code: 'pattern', message: 'message must not contain NUL characters' },
    ]);
    const nested = { hostname: VM, status: 'running', x: [{ y: 'a\0' }] };
    expect((await t.http.post('/api/vm-status', nested)).status).toBe(200);
    const escaped = String.raw`{"hostname":"${VM}","status":"running","x":"\\u0000"}`;
    expect((await t.http.post('/api/vm-status', escaped)).status).toBe(200);
  });

  test('JSON bodies with NUL in a log line reach the handler; elsewhere in the batch they are 400', async () => {
    await using t = await bodyEcho();
    const batch = { log_group: 'g', log_stream: VM, messages: ['a\0b'] };
    expect((await t.http.post('/api/vm-logs', batch)).status).toBe(200);
    expect((await t.http.post('/api/vm-logs', { ...batch, log_group: 'g\0' })).status).toBe(400);
    expect(t.seen).toEqual([batch]);
  });

  test('JSON bodies with a list that is too long get one error, not one for each entry', async () => {
    await using t = await bodyEcho();
    const batch = { log_group: 'g', log_stream: VM, messages: new Array(500_000).fill(1) };
    const response = await t.http.post('/api/vm-logs', batch);
    expect(response.status).toBe(400);
    expect((await problemOf(response)).errors).toEqual([
      { field: 'messages', code: 'max_items', message: 'messages must have at most 10000 entries' },
    ]);
  });

  test('JSON bodies with thousands of wrong entries get a bounded list of errors', async () => {
    await using t = await bodyEcho();
    const batch = { log_group: 'g', log_stream: VM, messages: new Array(10_000).fill(1) };
    const problem = await problemOf(await t.http.post('/api/vm-logs', batch));
    expect(problem.errors).toHaveLength(100);
    expect(problem.errors?.[0]).toEqual({
      field: 'messages[0]',
      code: 'type',
      message: 'messages[0] must be text',
    });
  });
});

describe('content types', () => {
  const body = { hostname: VM, status: 'running' };
  test.each([
    ['application/json', 200],
    ['application/json; charset=utf-8', 200],
    ['APPLICATION/JSON;charset="UTF-8"', 200],
    ['application/json; x=1', 200],
    ['application/json; charset=utf-16', 415],
    ['application/json; charset=latin1', 415],
    ['application/xml', 415],
    ['application/x-www-form-urlencoded', 415],
    ['multipart/form-data; boundary=x', 415],
    ['application/jsonx', 415],
    ['', 415],
  ])('the content type "%s" of a JSON body is answered with %i', async (type, status) => {
    await using t = await bodyEcho();
    const response = await t.http.post('/api/vm-status', body, { 'content-type': type });
    expect(response.status).toBe(status);
    if (status === 415) expect((await problemOf(response)).code).toBe('unsupported_media_type');
  });

  test('a body without a content type is answered with 415 and the right type', async () => {
    await using t = await bodyEcho();
    const response = await t.http.get('/api/vm-status', {
      method: 'POST',
      body: new TextEncoder().encode(JSON.stringify(body)),
    });
    expect(response.status).toBe(415);
    expect((await problemOf(response)).detail).toContain('Send application/json.');
  });

  test('a body that is not UTF-8 is answered with 400', async () => {
    await using t = await bodyEcho();
    const bytes = Buffer.from(`{"hostname":"${VM}","status":"running","x":"\xe4"}`, 'latin1');
    const response = await t.http.get('/api/vm-status', {
      method: 'POST',
      body: new Uint8Array(bytes),
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(400);
    expect((await problemOf(response)).detail).toBe('The body is not valid UTF-8.');
  });

  test('a content type with unknown parameters is accepted every time', async () => {
    await using t = await bodyEcho();
    for (let round = 0; round < 50; round += 1) {
      const response = await t.http.post('/api/vm-status', body, {
        'content-type': `application/json; x=${round}`,
      });
      expect(response.status).toBe(200);
    }
    expect(t.seen).toHaveLength(50);
  });
});
