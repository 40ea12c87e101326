// `lablink check-config` and `lablink healthcheck`, with a real server on a real port.
import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { checkConfig, healthcheck } from '../../src/app/checks.ts';
import { commands, helpOf, USAGE } from '../../src/app/console.ts';
import { loadConfig } from '../../src/config.ts';

const load = (env: Record<string, string>) => loadConfig({ env, readFile: () => undefined, cwd: '/' });

describe('check-config', () => {
  test('a valid configuration exits with 0, and its warnings are printed', () => {
    const loaded = load({});
    expect(checkConfig([], loaded)).toEqual({ text: 'The configuration is valid.\n', exit: 'ok' });
    const warned = { ok: true, value: { ...(loaded.ok && loaded.value), warnings: ['a key is unknown'] } };
    expect(checkConfig([], warned as typeof loaded).text).toBe(
      'Warning: a key is unknown\nThe configuration is valid.\n',
    );
  });

  test('every error is printed, or listed as JSON, and the exit is 1', () => {
    const loaded = load({ PORT: '70000', PROVIDER: 'cloud' });
    const { text, exit } = checkConfig([], loaded);
    expect(exit).toBe('failed');
    expect(text).toMatch(/PORT: .*\n +To do: /);
    expect(text).toContain('PROVIDER: ');
    const json: unknown = JSON.parse(checkConfig(['--json'], loaded).text);
    expect(json).toMatchObject({ ok: false, warnings: [] });
    expect((json as { errors: { key: string }[] }).errors.map(({ key }) => key)).toEqual([
      'PROVIDER',
      'PORT',
    ]);
  });

  test.each([[['--yaml']], [['--json', 'more']]])('%j is not a way to call it', (args) => {
    expect(checkConfig(args, load({})).exit).toBe('usage');
  });
});

describe('healthcheck', () => {
  async function listen(listener: RequestListener) {
    const server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return { server, config: load({ PORT: String(port) }) };
  }
  async function asked(listener: RequestListener): ReturnType<typeof healthcheck> {
    const { server, config } = await listen(listener);
    try {
      return await healthcheck([], config);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
  const json =
    (status: number, body: unknown): RequestListener =>
    (_request, response) =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));

  test('a ready allocator exits with 0, and its warnings are printed', async () => {
    const checks = [
      { name: 'database', ok: true },
      { name: 'disk', ok: true, detail: 'Almost full.' },
    ];
    const { text, exit } = await asked(json(200, { status: 'ok', checks }));
    expect(text).toMatch(/^The allocator at http:\/\/\S+ is ready\.\n {2}disk: Almost full\.\n$/);
    expect(exit).toBe('ok');
  });

  test('an allocator that is not ready exits with 1 and says what is missing', async () => {
    const checks = [{ name: 'database', ok: false, detail: 'It does not answer.' }];
    const { text, exit } = await asked(json(503, { status: 'unavailable', checks }));
    expect(text).toMatch(/is not ready\.\n {2}database: It does not answer\.\n$/);
    expect(exit).toBe('failed');
  });

  test.each<[string, RequestListener, RegExp]>([
    ['stops', json(503, { code: 'stopping' }), /does not answer: status 503/],
    ['closes the connection', (request) => request.socket.destroy(), /does not answer: \w+/],
  ])('an allocator that %s exits with 1', async (_what, listener, said) => {
    const { text, exit } = await asked(listener);
    expect(text).toMatch(said);
    expect(exit).toBe('failed');
  });

  test('where nothing listens, or the configuration is wrong, it exits with 1', async () => {
    const { server, config } = await listen(() => undefined);
    server.close();
    await once(server, 'close');
    const { text, exit } = await healthcheck([], config);
    expect(text).toMatch(/does not answer: connect ECONNREFUSED/);
    expect(exit).toBe('failed');
    expect(await healthcheck([], load({ PORT: '70000' }))).toMatchObject({ exit: 'failed' });
    expect(await healthcheck(['--now'], load({}))).toMatchObject({ exit: 'usage' });
  });
});

describe('help', () => {
  test('the help names every command, and each has a help of its own with its options and the exit codes', () => {
    for (const { name, lines } of commands) {
      expect(USAGE).toContain(`lablink ${name}`);
      for (const line of lines) expect(helpOf(name)).toContain(line);
      expect(helpOf(name)).toContain('Exit codes: 0');
    }
    expect(helpOf('sing')).toBeNull();
  });
});
