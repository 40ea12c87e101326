import { describe, expect, test } from 'vitest';
import { createLog, logForRequest, type Log, type LogFields, type LogLevel } from '../../src/log.ts';

function recording(level: LogLevel = 'debug'): {
  log: Log;
  text: () => string;
  last: () => Record<string, unknown>;
} {
  const lines: string[] = [];
  const log = createLog({ level, destination: { write: (line) => lines.push(line) } });
  return {
    log,
    text: () => lines.join(''),
    last: () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>,
  };
}

function logged(fields: LogFields, message = 'said'): Record<string, unknown> {
  const { log, last } = recording();
  log.info(fields, message);
  return last();
}

describe('a line', () => {
  test('a log line is one line of JSON with level, time, process, fields and message', () => {
    const { log, text } = recording();
    log.warn({ hostname: 'lablink-vm-prod-1', vms: 3 }, 'Two\nlines.');
    expect(text().trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(text())).toStrictEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      pid: process.pid,
      hostname: 'lablink-vm-prod-1',
      vms: 3,
      msg: 'Two\nlines.',
    });
  });

  test('a log line below the level is not written', () => {
    const { log, text } = recording('warn');
    log.info({}, 'no');
    log.child({ a: 1 }).debug({}, 'no');
    expect(text()).toBe('');
    log.error({}, 'yes');
    expect(text()).toContain('yes');
  });

  test('the log of a request has the request id in every line, also in those of its children', () => {
    const { log, last } = recording();
    logForRequest(log, 'r-1').child({ operation: 'requestVm' }).info({ status: 200 }, 'answered');
    expect(last()).toMatchObject({ request_id: 'r-1', operation: 'requestVm', status: 200 });
  });
});

describe('what is secret by its key', () => {
  const keys = [
    'crd_command',
    'CrdCommand',
    'crdCommand',
    'pin',
    'Pin',
    'PIN',
    'authorization',
    'Authorization',
    'proxy-authorization',
    'cookie',
    'set-cookie',
    'Set-Cookie',
    'token',
    'api_token',
    'API_TOKEN',
    'vmToken',
    'token_hash',
    'password',
    'admin_password',
    'secret',
    'secretKey',
    'client_secret',
    'passphrase',
    'PULUMI_CONFIG_PASSPHRASE',
    'privateKey',
    'rawHeaders',
  ];

  test.each(keys)('a value under the key %s is redacted at every depth, in lists and in children', (key) => {
    const { log, text } = recording();
    const fields = {
      [key]: 'hidden',
      a: { [key]: ['hidden'], b: [{ c: { d: { [key]: { e: 'hidden' } } } }] },
    };
    log.info(fields, 'said');
    log.child(fields).info({}, 'said');
    expect(text()).not.toContain('hidden');
    expect(text().match(/\[redacted\]/g)).toHaveLength(6);
  });

  test('a secret number is redacted, while null, undefined and booleans stay', () => {
    expect(logged({ pin: 123456, token: null, password: false, cookie: true })).toMatchObject({
      pin: '[redacted]',
      token: null,
      password: false,
      cookie: true,
    });
  });

  test('keys that only look like a secret one are not redacted', () => {
    const fields = { pinned: 'x', pid_file: 'x', spinning: 'x', code: '23505', assignment_id: 'x' };
    expect(logged(fields)).toMatchObject(fields);
  });
});

describe('what is secret inside of texts', () => {
  test.each([
    ['postgres://lablink:hidden@db:5432/lablink?x=1', 'postgres://[redacted]@db:5432/lablink?x=1'],
    ['postgres://u:hid@den@db/x', 'postgres://[redacted]@db/x'],
    ['host=db password=hidden user=x', 'host=db password=[redacted] user=x'],
    ['crd_command=DISPLAY%3D+hidden&email=a', 'crd_command=[redacted]&email=a'],
    ['Authorization: Bearer hidden-hidden', 'Authorization: Bearer [redacted]'],
    ['Authorization: Basic aGlkZGVu', 'Authorization: Basic [redacted]'],
    ["{ authorization: 'Basic hidden==' }", "{ authorization: 'Basic [redacted]' }"],
    ['got Bearer hidden-hidden-1 from it', 'got Bearer [redacted] from it'],
    ['start-host --code="4/0Ahidden" --name=x', 'start-host --code=[redacted] --name=x'],
    ["start-host --code '4/0Ahidden' --name=x", 'start-host --code [redacted] --name=x'],
    ['start-host --code=hidden', 'start-host --code=[redacted]'],
    ['the code 4/0Ahidden_hidden was used', 'the code [redacted] was used'],
    ['Unexpected token in {"pin": "hidden", "a": 1}', 'Unexpected token in {"pin": [redacted], "a": 1}'],
    ['{"crd_command":"hid\\"hidden', '{"crd_command":[redacted]'],
    ["{ Pin: 'hidden', HostName: 'vm' }", "{ Pin: [redacted], HostName: 'vm' }"],
  ])('the text %s is logged as %s', (text, expected) => {
    expect(logged({ text })).toMatchObject({ text: expected });
    expect(logged({ deep: [{ text }] }, text)).toMatchObject({ deep: [{ text: expected }], msg: expected });
    expect(logged({ err: new Error(text) })).toMatchObject({ err: { message: expected } });
    expect(JSON.stringify(logged({ err: new Error(text) }))).not.toContain('hidden');
  });

  test('ordinary sentences are logged unchanged', () => {
    const sentence =
      'A token is required: sign in with Basic authentication, or see https://lab.example.org/docs?x=1.';
    expect(logged({}, sentence)).toMatchObject({ msg: sentence });
  });

  test('a text that is made to be slow for the patterns is scrubbed in time', () => {
    const texts = [
      'a-'.repeat(4_000),
      '//'.repeat(4_000),
      '"'.repeat(8_000),
      ' '.repeat(8_000),
      '--code'.repeat(1_300),
    ];
    const started = performance.now();
    for (const text of texts) logged({ text });
    expect(performance.now() - started).toBeLessThan(500);
  });

  test('a connection string keeps host and database, but not the password', () => {
    expect(
      logged({ connectionString: 'postgres://u:hidden@db/x', url: new URL('http://u:hidden@db/') }),
    ).toMatchObject({
      connectionString: 'postgres://[redacted]@db/x',
      url: 'http://[redacted]@db/',
    });
  });
});

describe('an error', () => {
  test('an error is logged with its kind, message, stack and causes', () => {
    const cause = Object.assign(new TypeError('the cause'), { code: 'ECONNREFUSED', syscall: 'connect' });
    const { err } = logged({ err: new Error('the error', { cause }) });
    expect(err).toMatchObject({
      type: 'Error',
      message: 'the error',
      stack: expect.stringContaining('log.test.ts') as string,
      cause: { type: 'TypeError', message: 'the cause', code: 'ECONNREFUSED', syscall: 'connect' },
    });
  });

  test('an error is described under any key and in lists, and an AggregateError with its errors', () => {
    const parts = [new Error('one'), new Error('two')];
    expect(logged({ reasons: [new AggregateError(parts, 'both')] })).toMatchObject({
      reasons: [
        { type: 'AggregateError', message: 'both', errors: [{ message: 'one' }, { message: 'two' }] },
      ],
    });
  });

  test('an error without a message keeps a readable stack', () => {
    const { err } = logged({ err: new Error('') });
    expect(err).toMatchObject({ message: '', stack: expect.stringMatching(/^Error:? ?\n {4}at /) as string });
  });

  test('an error of Postgres is logged with the constraint but without the values', () => {
    const error = Object.assign(
      new Error('duplicate key value violates unique constraint "assignments_email"'),
      {
        code: '23505',
        severity: 'ERROR',
        detail: 'Key (email)=(hidden@example.org) already exists.',
        where: 'hidden',
        constraint: 'assignments_email',
        table: 'assignments',
        parameters: ['hidden'],
        query: "select 'hidden'",
      },
    );
    const line = logged({ err: error });
    expect(line['err']).toMatchObject({
      code: '23505',
      constraint: 'assignments_email',
      table: 'assignments',
    });
    expect(JSON.stringify(line)).not.toContain('hidden');
    expect(JSON.stringify(line)).toContain('violates unique constraint');
  });

  test('an error of Postgres about a value does not quote it, not even in its stack', () => {
    const error = Object.assign(new Error('invalid input syntax for type integer: "hid"den"'), {
      code: '22P02',
      severity: 'ERROR',
    });
    const line = logged({ err: error });
    expect(JSON.stringify(line)).not.toMatch(/hid|den"/);
    expect(line['err']).toMatchObject({ message: 'invalid input syntax for type integer: "[redacted]"' });
  });

  test('an error of a body parser is logged without the body', () => {
    const error = Object.assign(new SyntaxError('Unexpected end'), {
      body: 'hidden',
      status: 400,
      expose: true,
    });
    expect(logged({ err: error })['err']).not.toHaveProperty('body');
    expect(logged({ err: error })['err']).toMatchObject({ status: 400 });
  });
});

describe('what would not end', () => {
  test('circular, deep, long and wide values and texts are cut in the log', () => {
    const circle: Record<string, unknown> = { name: 'circle' };
    circle['self'] = circle;
    const deep = Array.from({ length: 50 }).reduce<unknown>((inner) => ({ inner }), 'bottom');
    const wide = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, [index]]));
    expect(logged({ circle })).toMatchObject({ circle: { name: 'circle', self: '[circular]' } });
    expect(JSON.stringify(logged({ deep }))).toContain('[too deep]');
    expect(logged({ list: Array(5_000).fill(1) })['list']).toHaveLength(101);
    expect(JSON.stringify(logged({ wide }))).toContain('"[cut]"');
    expect(String(logged({ text: 'x'.repeat(100_000) })['text']).length).toBeLessThan(9_000);
  });

  test('values that JSON does not know are logged in words', () => {
    const line = logged({
      big: 10n,
      bytes: Buffer.from('hidden'),
      map: new Map([
        ['pin', 'hidden'],
        ['a', 'b'],
      ]),
      set: new Set([1]),
      when: new Date(0),
      never: new Date(Number.NaN),
      call: () => 1,
    });
    expect(line).toMatchObject({
      big: '10',
      bytes: '[6 bytes]',
      map: { pin: '[redacted]', a: 'b' },
      set: [1],
      when: '1970-01-01T00:00:00.000Z',
      never: '[no date]',
      call: '[function]',
    });
  });

  test('a field that throws when it is read does not make the log line fail', () => {
    const fields = {
      get broken(): string {
        throw new Error('no');
      },
    };
    expect(logged(fields)).toMatchObject({
      msg: 'said',
      not_logged: expect.stringContaining('no') as string,
    });
  });
});
