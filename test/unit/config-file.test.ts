import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { loadConfig, loadConfigFromProcess } from '../../src/config.ts';
import { listConfigKeys } from '../../src/config/keys.ts';
import { renderFaults } from '../../src/config/problems.ts';
import { CONFIG_FILE as FILE, faults, faultText, fieldConfig, good, load } from '../support/load-config.ts';

describe("the field's config file", () => {
  test('works unchanged, without a warning', () => {
    const { config, warnings } = good({}, fieldConfig);
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
      file: { path: FILE, dir: '/srv/config' },
    });
  });

  test('the environment wins over it', () => {
    const { config } = good({ ADMIN_USER: 'ada', ADMIN_PASSWORD: 'tulip-harbour-9' }, fieldConfig);
    expect(config.admin).toStrictEqual({ user: 'ada', password: 'tulip-harbour-9' });
  });

  test('its db section names the database only with DATABASE=external, and DATABASE_URL wins over it', () => {
    expect(good({ DATABASE: 'external' }, fieldConfig).config.database).toStrictEqual({
      kind: 'external',
      url: 'postgresql://lablink:a%20p%40ss%2Fword@db.example.org:5433/lablink_db',
      from: 'config file',
    });
    const url = 'postgres://other/db';
    const { config } = good({ DATABASE: 'external', DATABASE_URL: url }, fieldConfig);
    expect(config.database).toStrictEqual({ kind: 'external', url, from: 'DATABASE_URL' });
    expect(config.notifyChannel).toBe('vm_changes');
  });

  test('a db section that does not count may hold whatever it likes', () => {
    const file = 'db: { port: none at all, dbname: 5, password: PLACEHOLDER_DB_PASSWORD }';
    expect(good({}, file).config.database).toStrictEqual({ kind: 'embedded' });
    expect(faults({ DATABASE: 'external' }, file)).toStrictEqual([
      'db.dbname',
      'db.port',
      'db.user',
      'db.password',
    ]);
  });

  test('a db section that counts is held to what a connection needs', () => {
    const external = { DATABASE: 'external' };
    expect(faults(external)).toStrictEqual(['DATABASE_URL']);
    expect(faults(external, 'db: { host: db }')).toStrictEqual(['db.dbname', 'db.user']);
    expect(faults(external, 'db: { dbname: a, user: b, host: "http://db" }')).toStrictEqual(['db.host']);
    expect(faults(external, 'db: { dbname: a, user: b, password: "${PW}" }')).toStrictEqual(['db.password']);
    const socket = good(external, 'db: { dbname: a, user: b, host: /run/postgresql }').config.database;
    expect(socket).toMatchObject({ url: 'postgresql://b@localhost:5432/a?host=%2Frun%2Fpostgresql' });
  });

  test('DATABASE=embedded beside DATABASE_URL is warned of', () => {
    const { warnings } = good({ DATABASE: 'embedded', DATABASE_URL: 'postgres://db/x' });
    expect(warnings).toStrictEqual(['DATABASE=embedded has no effect: DATABASE_URL wins.']);
  });

  test.each(['vm updates', 'vm"; drop', 'v'.repeat(64), '1st'])('the channel name %s is refused', (name) => {
    expect(faults({}, `db: { message_channel: ${JSON.stringify(name)} }`)).toStrictEqual([
      'db.message_channel',
    ]);
  });

  test.each(['', '~', 'null', 'None', '"None"', '""'])(
    'a repository of %s is unset, never a word',
    (value) => {
      expect(good({}, `machine:\n  repository: ${value}\n`).config.machine.repository).toBeUndefined();
    },
  );

  test.each(['defaults: [_self_]', '# @package _global_', 'machine:', 'hydra: { run: { dir: . } }'])(
    '%s says nothing, and that is fine',
    (file) => expect(good({}, file).warnings).toStrictEqual([]),
  );

  test('yes and no are true and false, as they were to Hydra', () => {
    expect(good({}, 'startup_script: { enabled: yes }').config.startupScript.enabled).toBe(true);
    expect(good({}, 'startup_script: { enabled: "off" }').config.startupScript.enabled).toBe(false);
  });

  test('wrong types are faults, all at once, by their whole path', () => {
    const file = [
      'machine: { image: 5, software: [a] }',
      'dns: { enabled: perhaps, pattern: other }',
      'ssl: none',
      'eip: { strategy: static }',
      'startup_script: { on_error: ignore }',
      'bucket_name: { a: 1 }',
    ].join('\n');
    expect(faults({ PORT: 'abc' }, file)).toStrictEqual([
      'PORT',
      'machine.image',
      'machine.software',
      'dns.enabled',
      'dns.pattern',
      'eip.strategy',
      'ssl',
      'startup_script.on_error',
      'bucket_name',
    ]);
    expect(faultText({}, file)).toContain(`machine.image: 5 is not what belongs here (in ${FILE}).`);
    expect(faultText({}, file)).toContain('Write text (in quotes');
  });

  test('a template that nobody filled in is a fault, wherever it stands', () => {
    expect(faults({}, 'machine: { image: "${IMAGE}" }')).toStrictEqual(['machine.image']);
  });

  test('unknown keys are warnings, with the key that was probably meant', () => {
    const file =
      'machine: { imgae: x }\nmonitoring: { enabled: true }\nDNS2: {}\nregion: us-west-2\nssl: { domain: x, certificate: y }';
    expect(good({}, file).warnings).toStrictEqual([
      `${FILE}: nobody knows the key machine.imgae. Did you mean machine.image?`,
      `${FILE}: nobody knows the key monitoring. It has no effect.`,
      `${FILE}: nobody knows the key DNS2. Did you mean dns?`,
      `${FILE}: nobody knows the key region. Did you mean app.region?`,
      `${FILE}: nobody knows the key ssl.domain. Did you mean dns.domain?`,
      `${FILE}: nobody knows the key ssl.certificate. It has no effect.`,
    ]);
  });

  test('another table name has no effect where the section counts, and is warned of', () => {
    const { warnings } = good({ DATABASE: 'external' }, 'db: { dbname: a, user: b, table_name: machines }');
    expect(warnings).toStrictEqual(['db.table_name has no effect: the table is always vms.']);
  });

  test.each([
    ['broken YAML', 'machine: { image: [', /line 1/],
    ['a list', '- a\n- b', /no sections/],
    ['a key twice', 'machine: {}\nmachine: {}', /DUPLICATE_KEY/],
    ['a megabyte', '#'.repeat(1_000_001), /longer than/],
    ['a tower of aliases', aliases(), /cannot be resolved/],
  ])('%s is a fault of the file', (_, file, words) => {
    expect(faults({}, file)).toStrictEqual([FILE]);
    expect(faultText({}, file)).toMatch(words);
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
  test('one that nobody asked for may be missing', () => {
    expect(good({}).config.file).toBeUndefined();
  });

  test('one that was asked for may not', () => {
    expect(faults({ CONFIG_DIR: '/etc/lablink' })).toStrictEqual(['CONFIG_DIR']);
    expect(faults({ CONFIG_NAME: 'lab' })).toStrictEqual(['CONFIG_NAME']);
    expect(faultText({ CONFIG_NAME: 'lab' })).toContain('/srv/config/lab.yaml, nor /srv/config/lab.yml');
  });

  test.each([
    [{ CONFIG_DIR: '/etc/lablink' }, '/etc/lablink/config.yaml'],
    [{ CONFIG_DIR: 'conf', CONFIG_NAME: 'lab' }, '/srv/conf/lab.yaml'],
    [{ CONFIG_DIR: 'conf', CONFIG_NAME: 'lab.yaml' }, '/srv/conf/lab.yaml'],
    [{ CONFIG_DIR: 'conf', CONFIG_NAME: 'lab' }, '/srv/conf/lab.yml'],
  ])('%j is %s', (env, path) => {
    const result = load(env, fieldConfig, path);
    expect(result.ok && result.config.file?.path).toBe(path);
  });

  test('one that cannot be read is a fault that says why', () => {
    const readFile = (): string => {
      throw new Error('EACCES: permission denied');
    };
    const result = loadConfig({ env: {}, readFile, cwd: '/srv' });
    expect(result).toMatchObject({ ok: false, faults: [{ key: 'CONFIG_DIR' }] });
    expect(result.ok ? '' : renderFaults(result.faults)).toContain('EACCES: permission denied');
  });

  test('a file that cannot be had is the only fault: what it would have said is not missed too', () => {
    expect(faults({ CONFIG_DIR: '/nope', DATABASE: 'external' })).toStrictEqual(['CONFIG_DIR']);
    expect(faults({ DATABASE: 'external' }, 'db: nothing')).toStrictEqual(['db']);
  });

  describe('in this process', () => {
    const dir = mkdtempSync(join(tmpdir(), 'lablink-config-'));
    afterEach(() => {
      vi.unstubAllEnvs();
      rmSync(dir, { recursive: true, force: true });
    });

    test('the environment and the file system are read', () => {
      writeFileSync(join(dir, 'lab.yaml'), 'machine: { software: sleap }');
      for (const [name] of listConfigKeys()) vi.stubEnv(name, undefined);
      vi.stubEnv('CONFIG_DIR', dir);
      vi.stubEnv('CONFIG_NAME', 'lab');
      vi.stubEnv('PORT', '1234');
      const result = loadConfigFromProcess();
      expect(result).toMatchObject({
        ok: true,
        config: {
          server: { port: 1234 },
          machine: { software: 'sleap' },
          dataDir: join(process.cwd(), 'data'),
        },
      });
    });
  });
});
