import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { loadConfig, loadConfigFromProcess } from '../../src/config.ts';
import { renderFailures } from '../../src/config/failure.ts';
import { variableNames } from '../../src/config/read.ts';
import {
  CONFIG_FILE as FILE,
  failedKeys,
  failureText,
  good,
  lablinkConfig,
  load,
} from '../support/load-config.ts';

describe('the LabLink config file', () => {
  test('an existing LabLink config file works unchanged and without a warning', () => {
    const { config, warnings } = good({}, lablinkConfig);
    expect(warnings).toStrictEqual([]);
    expect(config).toMatchObject({
      download: { extensions: ['slp'], leftOut: ['models', 'predictions'] },
      server: { publicUrl: 'https://workshop.lablink.example.org', secureCookies: true },
      database: { kind: 'embedded' },
      notifyChannel: 'vm_changes',
      admin: { user: 'organiser', password: 'correct horse battery staple' },
      machine: {
        type: 'g4dn.xlarge',
        image: 'ghcr.io/example/client-image:linux-amd64-v1.2.3',
        amiId: 'ami-0123456789abcdef0',
        repository: 'https://github.com/example/tutorial-data.git',
        software: 'sleap',
      },
      aws: { region: 'us-west-2', bucketName: 'state-of-the-example' },
      startupScript: { enabled: true, path: 'config/custom-startup.sh', onError: 'fail' },
      dns: { enabled: true, managed: false, domain: 'lablink.example.org', zoneId: 'Z0123456789ABCDEFGHIJ' },
      eip: { strategy: 'persistent', tagName: 'lablink-eip' },
      ssl: { provider: 'letsencrypt', email: 'admin@example.org', staging: false },
      allocatorImageTag: 'linux-amd64-v1.2.3',
      configFile: { path: FILE, dir: '/srv/config' },
    });
  });

  test('the environment wins over the config file', () => {
    const { config } = good({ ADMIN_USER: 'ada', ADMIN_PASSWORD: 'tulip-harbour-9' }, lablinkConfig);
    expect(config.admin).toStrictEqual({ user: 'ada', password: 'tulip-harbour-9' });
  });

  test('the db section names the database only with DATABASE=external, and DATABASE_URL wins over it', () => {
    expect(good({ DATABASE: 'external' }, lablinkConfig).config.database).toStrictEqual({
      kind: 'external',
      url: 'postgresql://lablink:a%20p%40ss%2Fword@db.example.org:5433/lablink_db',
      directUrl: undefined,
      from: 'config file',
    });
    const url = 'postgres://other/db';
    const { config } = good({ DATABASE: 'external', DATABASE_URL: url }, lablinkConfig);
    expect(config.database).toStrictEqual({
      kind: 'external',
      url,
      directUrl: undefined,
      from: 'DATABASE_URL',
    });
    expect(config.notifyChannel).toBe('vm_changes');
  });

  test('a db section that is not used may hold anything', () => {
    const file = 'db: { port: none at all, dbname: 5, password: PLACEHOLDER_DB_PASSWORD }';
    expect(good({}, file).config.database).toStrictEqual({ kind: 'embedded' });
    expect(failedKeys({ DATABASE: 'external' }, file)).toStrictEqual([
      'db.dbname',
      'db.password',
      'db.port',
      'db.user',
    ]);
  });

  test('a db section that is used must have what a connection needs', () => {
    const external = { DATABASE: 'external' };
    expect(failedKeys(external)).toStrictEqual(['DATABASE_URL']);
    expect(failedKeys(external, 'db: { host: db }')).toStrictEqual(['db.dbname', 'db.user']);
    expect(failedKeys(external, 'db: { dbname: a, user: b, host: "http://db" }')).toStrictEqual(['db.host']);
    expect(failedKeys(external, 'db: { dbname: a, user: b, password: "${PW}" }')).toStrictEqual([
      'db.password',
    ]);
    const socket = good(external, 'db: { dbname: a, user: b, host: /run/postgresql }').config.database;
    expect(socket).toMatchObject({ url: 'postgresql://b@localhost:5432/a?host=%2Frun%2Fpostgresql' });
  });

  test('DATABASE=embedded together with DATABASE_URL is a warning', () => {
    const { warnings } = good({ DATABASE: 'embedded', DATABASE_URL: 'postgres://db/x' });
    expect(warnings).toStrictEqual(['DATABASE=embedded has no effect: DATABASE_URL wins.']);
  });

  test('DATABASE_DIRECT_URL goes with DATABASE_URL or the db section, and alone it is a warning', () => {
    const directUrl = 'postgres://u:hunter2@postgres/x';
    const both = { DATABASE_URL: 'postgres://pooler/x', DATABASE_DIRECT_URL: directUrl };
    expect(good(both).config.database).toMatchObject({ url: both.DATABASE_URL, directUrl });
    const file = good({ DATABASE: 'external', DATABASE_DIRECT_URL: directUrl }, lablinkConfig);
    expect(file.config.database).toMatchObject({ from: 'config file', directUrl });
    const { config, warnings } = good({ DATABASE_DIRECT_URL: directUrl });
    expect(config.database).toStrictEqual({ kind: 'embedded' });
    expect(warnings).toStrictEqual([
      'DATABASE_DIRECT_URL has no effect: the embedded database is used. Set DATABASE_URL too.',
    ]);
    expect(failureText({ ...both, DATABASE_DIRECT_URL: 'mysql://u:hunter2@db/x' })).not.toContain('hunter2');
  });

  test.each(['vm updates', 'vm"; drop', 'v'.repeat(64), '1st'])(
    'the db.message_channel %s is refused',
    (name) => {
      expect(failedKeys({}, `db: { message_channel: ${JSON.stringify(name)} }`)).toStrictEqual([
        'db.message_channel',
      ]);
    },
  );

  test.each(['', '~', 'null', 'None', '"None"', '""'])('a repository of %s counts as unset', (value) => {
    expect(good({}, `machine:\n  repository: ${value}\n`).config.machine.repository).toBeUndefined();
  });

  test.each(['defaults: [_self_]', '# @package _global_', 'machine:', 'hydra: { run: { dir: . } }'])(
    'a config file of %s sets nothing and is no warning',
    (file) => expect(good({}, file).warnings).toStrictEqual([]),
  );

  test('yes and off mean true and false, as they do for Hydra', () => {
    expect(good({}, 'startup_script: { enabled: yes }').config.startupScript.enabled).toBe(true);
    expect(good({}, 'startup_script: { enabled: "off" }').config.startupScript.enabled).toBe(false);
  });

  test('only the days that CloudWatch knows are a log retention, and a message names them', () => {
    const file = (days: number | string): string => `machine: { log_retention_days: ${days} }`;
    expect(good({}, file(3653)).config.machine.logRetentionDays).toBe(3653);
    expect(good({}, file('"14"')).config.machine.logRetentionDays).toBe(14);
    expect(good({}).config.machine.logRetentionDays).toBe(30);
    for (const days of [10, 0, 3654, 1.5, 'never'])
      expect(failedKeys({}, file(days))).toStrictEqual(['machine.log_retention_days']);
    expect(failureText({}, file(10))).toContain(
      '10 is none of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653',
    );
  });

  test('values of a wrong type are reported all at once, by their whole path', () => {
    const file = [
      'machine: { image: 5, software: [a] }',
      'dns: { enabled: perhaps, pattern: other }',
      'ssl: none',
      'eip: { strategy: static }',
      'startup_script: { on_error: ignore }',
      'bucket_name: { a: 1 }',
    ].join('\n');
    expect(failedKeys({ PORT: 'abc' }, file)).toStrictEqual([
      'ssl',
      'PORT',
      'bucket_name',
      'machine.image',
      'machine.software',
      'startup_script.on_error',
      'dns.enabled',
      'dns.pattern',
      'eip.strategy',
    ]);
    expect(failureText({}, file)).toContain(
      `machine.image: 5 is not text (put it in quotes if it looks like a number or like true) (in ${FILE}).`,
    );
    expect(failureText({}, file)).toContain('Write text, or remove the line');
  });

  test('a template that was not filled in is refused', () => {
    expect(failedKeys({}, 'machine: { image: "${IMAGE}" }')).toStrictEqual(['machine.image']);
  });

  test('an unknown key is a warning with the key that was probably meant', () => {
    const file =
      'machine: { imgae: x }\nmonitoring: { enabled: true }\nDNS2: {}\nregion: us-west-2\nssl: { domain: x, certificate: y }';
    expect(good({}, file).warnings).toStrictEqual([
      `${FILE}: unknown key machine.imgae. Did you mean machine.image?`,
      `${FILE}: unknown key monitoring. It has no effect.`,
      `${FILE}: unknown key DNS2. Did you mean dns?`,
      `${FILE}: unknown key region. Did you mean app.region?`,
      `${FILE}: unknown key ssl.domain. Did you mean dns.domain?`,
      `${FILE}: unknown key ssl.certificate. It has no effect.`,
    ]);
  });

  test('another db.table_name is a warning because the table is always vms', () => {
    const { warnings } = good({ DATABASE: 'external' }, 'db: { dbname: a, user: b, table_name: machines }');
    expect(warnings).toStrictEqual(['db.table_name has no effect: the table is always vms.']);
  });

  test.each([
    ['broken YAML', 'machine: { image: [', /line 1/],
    ['only a list', '- a\n- b', /has no sections/],
    ['one with a key twice', 'machine: {}\nmachine: {}', /DUPLICATE_KEY/],
    ['longer than a megabyte', '#'.repeat(1_000_001), /longer than/],
    ['a tower of aliases', aliases(), /cannot be resolved/],
  ])('a config file that is %s is reported under its path', (_, file, words) => {
    expect(failedKeys({}, file)).toStrictEqual([FILE]);
    expect(failureText({}, file)).toMatch(words);
  });
});

/** Ten aliases to ten aliases to …: a small file that would fill the memory. */
function aliases(): string {
  const rows = Array.from(
    { length: 9 },
    (_, row) => `a${row + 1}: &a${row + 1} [${Array(10).fill(`*a${row}`).join(', ')}]`,
  );
  return ['a0: &a0 [x, x]', ...rows].join('\n');
}

describe('finding the config file', () => {
  test('the default config file may be missing', () => {
    expect(good({}).config.configFile).toBeUndefined();
  });

  test('a config file that a variable names must exist', () => {
    expect(failedKeys({ CONFIG_DIR: '/etc/lablink' })).toStrictEqual(['CONFIG_DIR']);
    expect(failedKeys({ CONFIG_NAME: 'lab' })).toStrictEqual(['CONFIG_NAME']);
    expect(failureText({ CONFIG_NAME: 'lab' })).toContain('/srv/config/lab.yaml, nor /srv/config/lab.yml');
  });

  test.each([
    [{ CONFIG_DIR: '/etc/lablink' }, '/etc/lablink/config.yaml'],
    [{ CONFIG_DIR: 'conf', CONFIG_NAME: 'lab' }, '/srv/conf/lab.yaml'],
    [{ CONFIG_DIR: 'conf', CONFIG_NAME: 'lab.yaml' }, '/srv/conf/lab.yaml'],
    [{ CONFIG_DIR: 'conf', CONFIG_NAME: 'lab' }, '/srv/conf/lab.yml'],
  ])('%j names the config file %s', (env, path) => {
    const result = load(env, lablinkConfig, path);
    expect(result.ok && result.value.config.configFile?.path).toBe(path);
  });

  test('a config file that cannot be read is reported with the reason', () => {
    const readFile = (): string => {
      throw new Error('EACCES: permission denied');
    };
    const result = loadConfig({ env: {}, readFile, cwd: '/srv' });
    expect(result).toMatchObject({ ok: false, failure: [{ key: 'CONFIG_DIR' }] });
    expect(result.ok ? '' : renderFailures(result.failure)).toContain('EACCES: permission denied');
  });

  test('when the config file cannot be read, settings that it may contain are not reported as missing', () => {
    expect(failedKeys({ CONFIG_DIR: '/nope', DATABASE: 'external' })).toStrictEqual(['CONFIG_DIR']);
    expect(failedKeys({ DATABASE: 'external' }, 'db: nothing')).toStrictEqual(['db']);
  });

  describe('in this process', () => {
    const dir = mkdtempSync(join(tmpdir(), 'lablink-config-'));
    afterEach(() => {
      vi.unstubAllEnvs();
      rmSync(dir, { recursive: true, force: true });
    });

    test('loadConfigFromProcess reads the environment and the file of this process', () => {
      writeFileSync(join(dir, 'lab.yaml'), 'machine: { software: sleap }');
      for (const name of variableNames) vi.stubEnv(name, undefined);
      vi.stubEnv('CONFIG_DIR', dir);
      vi.stubEnv('CONFIG_NAME', 'lab');
      vi.stubEnv('PORT', '1234');
      const result = loadConfigFromProcess();
      expect(result).toMatchObject({
        ok: true,
        value: {
          config: {
            server: { port: 1234 },
            machine: { software: 'sleap' },
            dataDir: join(process.cwd(), 'data'),
          },
        },
      });
    });
  });
});
