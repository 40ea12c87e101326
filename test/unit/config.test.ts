import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { renderSettings } from '../../src/config/help.ts';
import { configSchema } from '../../src/config/schema.ts';
import { listSettings } from '../../src/config/setting.ts';
import { CONFIG_FILE, failedKeys, failureText, good, lablinkConfig } from '../support/load-config.ts';

const sample = readFileSync(new URL('../../config.example.yaml', import.meta.url), 'utf8');
const variables = listSettings(configSchema).flatMap(({ setting: { env, ...about } }) =>
  env === undefined ? [] : [{ ...about, name: env }],
);

describe('the defaults', () => {
  test('without any setting the defaults apply', () => {
    const { config, warnings } = good({});
    expect(config.server).toStrictEqual({
      host: '127.0.0.1',
      port: 5000,
      publicUrl: undefined,
      secureCookies: false,
      trustProxy: false,
    });
    expect(config).toMatchObject({
      dataDir: '/srv/data',
      database: { kind: 'embedded' },
      notifyChannel: 'vm_updates',
      admin: { user: 'admin', password: undefined },
      secretKey: undefined,
      provider: 'local',
      vmAuth: 'open',
      logLevel: 'info',
      deployment: { name: 'lablink', environment: 'prod' },
      limits: {
        vmsPerLaunch: 100,
        codeLifetimeMs: 600_000,
        logBytesPerVm: 5 * 1024 * 1024,
        waitingVms: 20_000,
        requestsPerMinute: 20_000,
        databasePoolSize: 10,
        shutdownGraceMs: 10_000,
      },
      configFile: undefined,
    });
    expect(warnings).toStrictEqual([]);
  });

  test('the configuration is frozen at every depth', () => {
    const { config } = good({ TRUST_PROXY: 'loopback' }, lablinkConfig);
    const open = (value: unknown): string[] =>
      typeof value !== 'object' || value === null
        ? []
        : [...(Object.isFrozen(value) ? [] : [JSON.stringify(value)]), ...Object.values(value).flatMap(open)];
    expect(open(config)).toStrictEqual([]);
    expect(config.server.trustProxy).toStrictEqual(['loopback']);
  });
});

describe('the environment', () => {
  test('each environment variable reaches its place in the configuration', () => {
    const { config } = good({
      HOST: '0.0.0.0',
      PORT: '0',
      PUBLIC_URL: 'https://Lab.example.org/',
      TRUST_PROXY: '2',
      DATA_DIR: '/var/lib/lablink',
      DATABASE_URL: 'postgres://u:p@db:5432/lablink',
      DATABASE_POOL_SIZE: '3',
      ADMIN_USER: 'ada',
      ADMIN_PASSWORD: ' with spaces ',
      SECRET_KEY: 'k'.repeat(32),
      PROVIDER: 'aws',
      REGISTRATION_TOKEN: 'r3gister-me',
      LOG_FORWARDER_TOKEN: 'f0rward.me==',
      PULUMI_BACKEND_URL: 's3://bucket/state',
      PULUMI_CONFIG_PASSPHRASE: 'pass phrase',
      DEPLOYMENT: 'neuro',
      ENVIRONMENT: 'ci-test',
      ALLOCATOR_PUBLIC_IP: '203.0.113.7',
      ALLOCATOR_KEY_NAME: 'pair',
      CLOUD_INIT_LOG_GROUP: '/lablink/boot',
      LOG_LEVEL: 'DEBUG',
      MAX_VMS_PER_LAUNCH: '1',
      CODE_LIFETIME_MINUTES: '2',
      MAX_LOG_BYTES_PER_VM: '4096',
      REQUESTS_PER_MINUTE: '5',
      MAX_WAITING_VMS: '6',
      SHUTDOWN_GRACE_SECONDS: '0',
    });
    expect(config).toMatchObject({
      server: {
        host: '0.0.0.0',
        port: 0,
        publicUrl: 'https://lab.example.org',
        secureCookies: true,
        trustProxy: 2,
      },
      dataDir: '/var/lib/lablink',
      database: { kind: 'external', url: 'postgres://u:p@db:5432/lablink', from: 'DATABASE_URL' },
      admin: { user: 'ada', password: ' with spaces ' },
      secretKey: 'k'.repeat(32),
      provider: 'aws',
      vmAuth: 'required',
      tokens: { registration: 'r3gister-me', logForwarder: 'f0rward.me==' },
      pulumi: { backendUrl: 's3://bucket/state', passphrase: 'pass phrase' },
      deployment: { name: 'neuro', environment: 'ci-test' },
      aws: { allocatorPublicIp: '203.0.113.7', allocatorKeyName: 'pair', cloudInitLogGroup: '/lablink/boot' },
      logLevel: 'debug',
      limits: {
        vmsPerLaunch: 1,
        codeLifetimeMs: 120_000,
        logBytesPerVm: 4096,
        requestsPerMinute: 5,
        waitingVms: 6,
        databasePoolSize: 3,
        shutdownGraceMs: 0,
      },
    });
  });

  test('a blank environment variable counts as unset', () => {
    const blank = Object.fromEntries(variables.map(({ name }) => [name, ' ']));
    expect(good(blank).config).toStrictEqual(good({}).config);
  });

  test.each([
    ['HOST', 'not a host'],
    ['HOST', '[::1]'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '0x10'],
    ['PORT', '1e3'],
    ['PORT', '80.5'],
    ['PUBLIC_URL', 'lab.example.org'],
    ['PUBLIC_URL', 'ftp://lab.example.org'],
    ['PUBLIC_URL', 'https://lab.example.org/path'],
    ['TRUST_PROXY', 'true'],
    ['TRUST_PROXY', '10.0.0.0/33'],
    ['TRUST_PROXY', '33'],
    ['DATA_DIR', '~/data'],
    ['DATABASE', 'mysql'],
    ['DATABASE_URL', 'mysql://db/lablink'],
    ['DATABASE_URL', 'db'],
    ['DATABASE_POOL_SIZE', '0'],
    ['ADMIN_USER', 'a:b'],
    ['SECRET_KEY', 'k'.repeat(31)],
    ['PROVIDER', 'azure'],
    ['VM_AUTH', 'yes'],
    ['REGISTRATION_TOKEN', 'two words'],
    ['LOG_FORWARDER_TOKEN', 'changeme'],
    ['DEPLOYMENT', 'Lab_Link'],
    ['DEPLOYMENT', 'a'.repeat(25)],
    ['ENVIRONMENT', '-prod'],
    ['PULUMI_BACKEND_URL', 'somewhere'],
    ['PULUMI_CONFIG_PASSPHRASE', '${PASSPHRASE}'],
    ['ALLOCATOR_PUBLIC_IP', 'lab.example.org'],
    ['CLOUD_INIT_LOG_GROUP', 'a b'],
    ['LOG_LEVEL', 'loud'],
    ['MAX_VMS_PER_LAUNCH', '0'],
    ['CODE_LIFETIME_MINUTES', '0'],
    ['MAX_LOG_BYTES_PER_VM', '5MiB'],
    ['REQUESTS_PER_MINUTE', '0'],
    ['MAX_WAITING_VMS', '0'],
    ['SHUTDOWN_GRACE_SECONDS', '-1'],
  ])('%s=%s is refused, and only that key is named', (key, value) => {
    expect(failedKeys({ [key]: value })).toStrictEqual([key]);
  });

  test.each([
    ['false', false],
    ['0', false],
    ['1', 1],
    ['loopback, 10.0.0.0/8 ,::1', ['loopback', '10.0.0.0/8', '::1']],
  ])('TRUST_PROXY=%s becomes what express understands', (text, meaning) => {
    expect(good({ TRUST_PROXY: text }).config.server.trustProxy).toStrictEqual(meaning);
  });

  test('everything that is wrong is reported at once, each with its key, the value and what to do', () => {
    const text = failureText({ PORT: 'abc', LOG_LEVEL: 'loud', DATABASE: 'external', PROVIDER: 'azure' });
    expect(text).toMatch(/^The configuration has 4 errors\. Nothing was started\./);
    expect(text).toContain('PORT: "abc" is not a whole number.');
    expect(text).toContain(
      'To do: Set PORT to a whole number from 0 to 65535, or leave it out (default: 5000).',
    );
    expect(text).toContain('DATABASE_URL: It is not set, although DATABASE is external.');
    expect(text.match(/To do: /g)).toHaveLength(4);
  });

  test('a wrong secret is not shown in the message', () => {
    const text = failureText({
      SECRET_KEY: 'short-and-secret',
      DATABASE_URL: 'mysql://u:hunter2@db/x',
      REGISTRATION_TOKEN: 'my hidden token',
      PULUMI_CONFIG_PASSPHRASE: '${HIDDEN}',
      PUBLIC_URL: 'https://u:hunter2@lab.example.org',
    });
    expect(text).toContain('has 5 errors');
    expect(text).not.toMatch(/short-and-secret|hunter2|hidden token|HIDDEN/);
  });

  test('a long wrong value is cut in the message', () => {
    expect(failureText({ LOG_LEVEL: 'x'.repeat(5_000) }).length).toBeLessThan(500);
  });

  test('with aws a VM must send its token, and VM_AUTH=open is a warning', () => {
    expect(good({ PROVIDER: 'aws' }).config.vmAuth).toBe('required');
    expect(good({ PROVIDER: 'external' }).config.vmAuth).toBe('open');
    expect(good({ PROVIDER: 'local', VM_AUTH: 'required' }).config.vmAuth).toBe('required');
    const open = good({ PROVIDER: 'aws', VM_AUTH: 'open' });
    expect(open.config.vmAuth).toBe('open');
    expect(open.warnings.join()).toContain('VM_AUTH=open');
  });
});

describe("the admin's password", () => {
  const placeholders = [
    'changeme',
    'Change-Me',
    'password',
    'admin',
    'admin_password',
    'IAmAwesome',
    'PLACEHOLDER_ADMIN_PASSWORD',
    '${ADMIN_PASSWORD}',
    '{{ password }}',
    '<your password>',
  ];

  test.each(placeholders)('the admin password %s is refused in the environment as a placeholder', (value) => {
    expect(failedKeys({ ADMIN_PASSWORD: value })).toStrictEqual(['ADMIN_PASSWORD']);
  });

  test.each([...placeholders, '', '  '])(
    'the admin password "%s" is refused in the config file as a placeholder',
    (value) => {
      const file = `app: { admin_password: ${JSON.stringify(value)} }`;
      expect(failedKeys({}, file)).toStrictEqual(['app.admin_password']);
      expect(failureText({}, file)).toContain('Set ADMIN_PASSWORD, which wins over the file');
    },
  );

  test('a placeholder password in the config file is accepted when the environment has a real one', () => {
    const { config } = good({ ADMIN_PASSWORD: 'tulip-harbour-9' }, 'app: { admin_password: IAmAwesome }');
    expect(config.admin.password).toBe('tulip-harbour-9');
  });

  test('a password that only contains a placeholder is accepted', () => {
    expect(good({ ADMIN_PASSWORD: 'my password is long' }).config.admin.password).toBe('my password is long');
  });

  test('a password with a line break is refused because no browser can send it', () => {
    expect(failedKeys({ ADMIN_PASSWORD: 'two\nlines' })).toStrictEqual(['ADMIN_PASSWORD']);
  });
});

describe('the documents', () => {
  test('every default is accepted by its own rule and changes nothing', () => {
    const defaults = variables.flatMap(({ name, default: standard }): [string, string][] =>
      standard === undefined || name.startsWith('CONFIG_') ? [] : [[name, String(standard)]],
    );
    expect(defaults.length).toBeGreaterThan(15);
    expect(good(Object.fromEntries(defaults)).config).toStrictEqual(good({}).config);
  });

  test('every setting says what it means, which value it takes, and what happens without it', () => {
    const incomplete = listSettings(configSchema).filter(
      ({ section, setting: { env, file, meaning, accepts } }) =>
        !section || !(env ?? file) || !/^[^a-z].{3,}\.$/s.test(meaning.replace(/^`.*?`/, 'X')) || !accepts,
    );
    expect(incomplete).toStrictEqual([]);
    const wordless = variables.filter(
      ({ default: standard, otherwise }) => standard === undefined && !otherwise,
    );
    expect(wordless).toStrictEqual([]);
  });

  test('docs/configuration.md has a row for every variable, with default, unit and range from the schema', async () => {
    const document = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    const cells = document
      .split('\n')
      .map((line) => line.split(' | ').map((cell) => cell.replace(/^\|/, '').trim()));
    for (const { name } of variables)
      expect(cells.filter(([first]) => first === `\`${name}\``)).toHaveLength(1);
    const row = cells.find(([first]) => first === '`DATABASE_POOL_SIZE`') ?? [];
    expect(row.slice(1, 3)).toStrictEqual(['`10`', 'connections']);
    expect(row.at(-1)).toContain('a whole number from 1 to 200');
  });

  test('config.example.yaml is a config file that sets nothing as it is', () => {
    expect(good({}, sample)).toStrictEqual({
      config: { ...good({}).config, configFile: { path: CONFIG_FILE, dir: '/srv/config' } },
      warnings: [],
    });
  });

  test('config.example.yaml with every key set is valid, except for the passwords that the reader must choose', () => {
    const whole = sample.replaceAll(/^( *)#(?! )/gm, '$1');
    expect(failedKeys({ DATABASE: 'external' }, whole)).toStrictEqual(['app.admin_password', 'db.password']);
    const { config, warnings } = good({}, whole.replaceAll('<password>', 'tulip-harbour-9'));
    expect(warnings).toStrictEqual([]);
    expect(config.machine.types).toStrictEqual(['g4dn.xlarge', 'g5.xlarge']);
  });

  test('lablink help config lists every setting', () => {
    for (const { name, meaning } of variables)
      expect(renderSettings()).toContain(`${name}\n      ${meaning.replaceAll('`', '')}`);
  });
});
