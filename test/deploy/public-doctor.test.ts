// `lablink doctor --public` against a real server behind Caddy as it should be, and behind an nginx that does everything wrong.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runPublicDoctor } from '../../src/app/public-doctor.ts';
import { loadConfig } from '../../src/config.ts';
import { startNginx } from '../support/bad-nginx.ts';
import { freePorts, hasProxies, startProxies, type Proxies } from '../support/proxies.ts';
import { requirePart } from '../support/required.ts';
import { ADMIN, startTestServer, type TestServer } from '../support/server.ts';

const hasBoth = requirePart('Caddy or nginx', hasProxies, 'Install caddy and nginx (Debian).');

const loaded = (env: Record<string, string> = {}) =>
  loadConfig({
    env: { ADMIN_USER: ADMIN.user, ADMIN_PASSWORD: ADMIN.password, ...env },
    readFile: () => undefined,
    cwd: '/nowhere',
  });

type Report = {
  readonly ok: boolean;
  readonly checks: readonly { name: string; status: string; text: string; remedy: string | null }[];
};

async function examine(args: readonly string[], config = loaded()): Promise<Report> {
  const { text } = await runPublicDoctor([...args, '--hold', '1', '--json'], config);
  expect(text).not.toContain(ADMIN.password);
  return JSON.parse(text) as Report;
}
const statuses = ({ checks }: Report) => Object.fromEntries(checks.map(({ name, status }) => [name, status]));
const finding = ({ checks }: Report, wanted: string) => checks.find(({ name }) => name === wanted);

describe.skipIf(!hasBoth)('an allocator behind a proxy', () => {
  let server: TestServer;
  let proxies: Proxies;
  let port: number;
  let ca: string;
  beforeAll(async () => {
    const [own = 0, ...ports] = await freePorts(5);
    port = own;
    server = await startTestServer({
      PORT: String(port),
      PUBLIC_URL: `https://localhost:${ports[0]}`,
      TRUST_PROXY: 'loopback',
    });
    proxies = await startProxies(ports, port);
    ca = join(server.dataDir, 'authority.pem');
    await writeFile(ca, proxies.authority);
  });
  afterAll(async () => {
    await proxies[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  const through = ({ url, plainUrl }: Proxies['caddy']) => ['--public', url, '--plain', plainUrl, '--ca', ca];

  test('behind the samples of Caddy and nginx, every check is well', async () => {
    const report = await examine(through(proxies.caddy));
    expect(report.checks.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(Object.keys(statuses(report))).toEqual([
      'address',
      'certificate',
      'redirect',
      'health',
      'metrics',
      'protocol',
      'host',
      'client address',
      'PUBLIC_URL',
      'event streams',
      'body limit',
      'held poll',
    ]);
    const nginx = await examine(through(proxies.nginx));
    // It is at another port than PUBLIC_URL says.
    expect(nginx.checks.filter(({ status }) => status !== 'ok').map(({ name }) => name)).toEqual([
      'PUBLIC_URL',
    ]);
    const { text, exit } = await runPublicDoctor([...through(proxies.caddy), '--hold', '1'], loaded());
    expect(exit).toBe('ok');
    expect(text).toMatch(/^ok {7}held poll {7}Was answered after \d+ s\.$/m);
    expect(text).toContain(`No problem was found at ${proxies.caddy.url}.`);
  });

  test('an authority that nobody knows is told, and the password is not sent there', async () => {
    const logged = server.logLines.length;
    const report = await examine(['--public', proxies.caddy.url, '--plain', proxies.caddy.plainUrl]);
    expect(statuses(report)).toEqual({ certificate: 'problem', redirect: 'ok' });
    expect(finding(report, 'certificate')?.remedy).toContain('--ca');
    expect(server.logLines.slice(logged).join()).not.toContain('describeConnection');
  });

  test('a wrong password and none are told, and the checks that need none are made', async () => {
    const wrong = await examine(through(proxies.caddy), loaded({ ADMIN_PASSWORD: 'another password' }));
    expect(finding(wrong, 'login')).toMatchObject({ status: 'unknown' });
    const none = await examine(through(proxies.caddy), loaded({ ADMIN_PASSWORD: '' }));
    expect(statuses(none)).toMatchObject({ health: 'ok', proxy: 'unknown' });
  });

  test('an nginx that says nothing of the client, buffers, cuts polls and refuses bodies: each is found, with a remedy', async () => {
    await using nginx = await startNginx(
      `proxy_pass http://127.0.0.1:${port}; client_max_body_size 1m; proxy_read_timeout 800ms;
       proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;`,
    );
    const report = await examine(['--public', nginx.url]);
    expect(report.ok).toBe(false);
    expect(statuses(report)).toMatchObject({
      address: 'ok',
      host: 'problem',
      'client address': 'problem',
      'event streams': 'problem',
      'body limit': 'problem',
      'held poll': 'problem',
    });
    const remedies = report.checks.filter(({ status }) => status === 'problem').map(({ remedy }) => remedy);
    for (const setting of [
      'proxy_set_header Host',
      'X-Forwarded-For',
      'proxy_buffering off',
      'client_max_body_size',
      'proxy_read_timeout',
    ])
      expect(remedies.join('\n')).toContain(setting);
    const { exit } = await runPublicDoctor(['--public', nginx.url, '--hold', '1'], loaded());
    expect(exit).toBe('failed');
  });

  test('a proxy that passes the client’s own X-Forwarded-For on lets everybody choose an address', async () => {
    await using nginx = await startNginx(
      `proxy_pass http://127.0.0.1:${port}; proxy_set_header Host $http_host; client_max_body_size 5m;
       proxy_set_header X-Forwarded-For $http_x_forwarded_for;`,
    );
    const report = await examine(['--public', nginx.url]);
    expect(finding(report, 'client address')?.text).toContain('can choose the address');
    expect(statuses(report)).toMatchObject({ host: 'ok', 'event streams': 'ok', 'held poll': 'ok' });
  });

  test('a proxy whose server is away, and an address where nothing listens, are told apart', async () => {
    const [away] = await freePorts(1);
    await using nginx = await startNginx(`proxy_pass http://127.0.0.1:${away};`);
    expect(finding(await examine(['--public', nginx.url]), 'address')?.text).toContain(
      'does not reach the allocator',
    );
    const nothing = await examine(['--public', `http://127.0.0.1:${away}`]);
    expect(nothing.checks).toMatchObject([{ name: 'address', status: 'problem' }]);
  });
});

test.each([
  [['--public'], "'--public <value>' argument missing"],
  [['--public', 'lab.example.org'], 'an address such as https'],
  [['--public', 'https://lab.example.org', '--hold', '7'], '--hold must be one of 1, 65'],
  [['--public', 'https://lab.example.org', '--ca', '/no/such/file'], 'cannot be read'],
])('%j is a wrong call', async (args, sentence) => {
  const { text, exit } = await runPublicDoctor(args, loaded());
  expect({ exit, text }).toMatchObject({ exit: 'usage', text: expect.stringContaining(sentence) as string });
});
