import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adminCredentials, deriveKey, loadOrCreateSecret, secretKey } from '../../src/secrets.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'lablink-secrets-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o777;
const make = (name = 'a-secret') => loadOrCreateSecret({ dataDir, name, bytes: 32 });

describe('a secret in the data folder', () => {
  test('a secret is created once and kept in a file for its owner alone', async () => {
    const first = await make();
    expect(first).toStrictEqual({
      ok: true,
      value: {
        value: expect.stringMatching(/^[\w-]{43}$/) as string,
        isNew: true,
        path: join(dataDir, 'a-secret'),
      },
    });
    expect(modeOf(join(dataDir, 'a-secret'))).toBe(0o600);
    expect(await make()).toStrictEqual({ ok: true, value: { ...(first.ok && first.value), isNew: false } });
    expect(readdirSync(dataDir)).toStrictEqual(['a-secret']);
  });

  test('the file of a secret is for its owner alone whatever the umask is', async () => {
    const before = process.umask(0);
    try {
      await make();
    } finally {
      process.umask(before);
    }
    expect(modeOf(join(dataDir, 'a-secret'))).toBe(0o600);
  });

  test('a missing data folder is created so that others may pass but not list it', async () => {
    const nested = join(dataDir, 'not', 'there');
    expect(await loadOrCreateSecret({ dataDir: nested, name: 's', bytes: 32 })).toMatchObject({ ok: true });
    expect(modeOf(nested)).toBe(0o711);
  });

  test('starts that race in one process get the same secret', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => make()));
    expect(new Set(results.map((result) => result.ok && result.value.value)).size).toBe(1);
    expect(results.filter((result) => result.ok && result.value.isNew)).toHaveLength(1);
    expect(readdirSync(dataDir)).toStrictEqual(['a-secret']);
  });

  test('processes that start at the same time get the same secret', async () => {
    const module = new URL('../../src/secrets.ts', import.meta.url).href;
    const script = `
      const { secretKey } = await import(${JSON.stringify(module)});
      process.stdin.once('data', async () => {
        const kept = await secretKey(undefined, ${JSON.stringify(dataDir)});
        process.stdout.write(kept.value + '\\n');
        process.exit(0);
      });
      process.stderr.write('ready');`;
    const starts = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', script]),
    );
    try {
      await Promise.all(starts.map((start) => once(start.stderr, 'data')));
      for (const start of starts) start.stdin.end('go\n');
      const values = await Promise.all(starts.map((start) => text(start.stdout)));
      expect(new Set(values).size).toBe(1);
      expect(values[0]).toMatch(/^[\w-]{43}\n$/);
    } finally {
      for (const start of starts) start.kill('SIGKILL');
    }
  });

  test('the file of a secret that others can read is closed to them', async () => {
    await make();
    chmodSync(join(dataDir, 'a-secret'), 0o644);
    expect(await make()).toMatchObject({ ok: true, value: { isNew: false } });
    expect(modeOf(join(dataDir, 'a-secret'))).toBe(0o600);
  });

  test.each([
    ['empty', ''],
    ['cut', 'abc\n'],
    ['of two lines', `${'a'.repeat(43)}\n${'b'.repeat(43)}\n`],
    ['another file', 'x'.repeat(5_000)],
  ])('a secret file that is %s is refused, and is not replaced', async (_, content) => {
    writeFileSync(join(dataDir, 'a-secret'), content, { mode: 0o600 });
    const result = await make();
    expect(result.ok ? '' : result.failure.message).toContain(join(dataDir, 'a-secret'));
    expect(result.ok ? '' : result.failure.remedy).toContain('remove the file');
    expect(readFileSync(join(dataDir, 'a-secret'), 'utf8')).toBe(content);
  });

  test('a secret file that cannot be read is refused with the reason', async () => {
    mkdirSync(join(dataDir, 'a-secret'));
    const modeBefore = modeOf(join(dataDir, 'a-secret'));
    expect(await make()).toMatchObject({
      ok: false,
      failure: { message: `${join(dataDir, 'a-secret')} is not a file.` },
    });
    expect(modeOf(join(dataDir, 'a-secret'))).toBe(modeBefore);
    writeFileSync(join(dataDir, 'file'), '');
    const below = await loadOrCreateSecret({ dataDir: join(dataDir, 'file'), name: 's', bytes: 32 });
    expect(below).toMatchObject({
      ok: false,
      failure: { message: expect.stringMatching(/file\/s cannot be read or written: EEXIST/) as string },
    });
  });

  test('a secret comes from the given randomness, whose errors are thrown', async () => {
    const randomBytes = (bytes: number) => new Uint8Array(bytes).fill(7);
    const made = await loadOrCreateSecret({ dataDir, name: 'sevens', bytes: 32, randomBytes });
    expect(made.ok && made.value.value).toBe(Buffer.alloc(32, 7).toString('base64url'));
    const broken = (): never => {
      throw new RangeError('no randomness');
    };
    await expect(loadOrCreateSecret({ dataDir, name: 'x', bytes: 32, randomBytes: broken })).rejects.toThrow(
      RangeError,
    );
  });
});

describe('the secret key', () => {
  test('a configured SECRET_KEY is used, and then nothing is kept', async () => {
    const given = 'k'.repeat(32);
    expect(await secretKey(given, dataDir)).toStrictEqual({ ok: true, value: given });
    expect(readdirSync(dataDir)).toStrictEqual([]);
  });

  test('without SECRET_KEY a key is created and kept in the file secret-key', async () => {
    const made = await secretKey(undefined, dataDir);
    const kept = await secretKey(undefined, dataDir);
    expect(readFileSync(join(dataDir, 'secret-key'), 'utf8')).toBe(`${made.ok ? made.value : ''}\n`);
    expect(kept.ok && kept.value).toBe(made.ok && made.value);
  });
});

describe("the admin's credentials", () => {
  test('a configured admin password is used, and then nothing is kept', async () => {
    const credentials = await adminCredentials({ user: 'ada', password: 'tulip-harbour-9' }, dataDir);
    expect(credentials).toStrictEqual({
      ok: true,
      value: { user: 'ada', password: 'tulip-harbour-9', file: undefined },
    });
    expect(readdirSync(dataDir)).toStrictEqual([]);
  });

  test('without a configured admin password one is generated at the first start and kept for its owner alone', async () => {
    const admin = { user: 'admin', password: undefined };
    const path = join(dataDir, 'admin-password');
    const made = await adminCredentials(admin, dataDir);
    expect(made).toMatchObject({ ok: true, value: { user: 'admin', file: { path, isNew: true } } });
    expect(await adminCredentials(admin, dataDir)).toStrictEqual({
      ok: true,
      value: { ...(made.ok && made.value), file: { path, isNew: false } },
    });
    expect(modeOf(path)).toBe(0o600);
    expect(readFileSync(path, 'utf8')).toBe(`${made.ok ? made.value.password : ''}\n`);
  });

  test('a generated admin password consists of groups of characters that people do not confuse', async () => {
    const made = await adminCredentials({ user: 'admin', password: undefined }, dataDir);
    expect(made.ok && made.value.password).toMatch(/^([2-9a-hjkmnp-z]{5}-){3}[2-9a-hjkmnp-z]{5}$/);
    expect(Math.log2(31) * 20).toBeGreaterThan(96);
  });

  test('a generated admin password is drawn fairly: bytes that would favour some characters are dropped', async () => {
    // The first draw names the temporary file, the second one is thrown away.
    let calls = 0;
    const randomBytes = (bytes: number) => new Uint8Array(bytes).fill((calls += 1) <= 2 ? 248 : 247);
    const made = await adminCredentials({ user: 'admin', password: undefined }, dataDir, randomBytes);
    expect(made.ok && made.value.password).toBe('zzzzz-zzzzz-zzzzz-zzzzz');
    expect(calls).toBe(3);
  });

  test('an admin password that a person has written into the file is used', async () => {
    writeFileSync(join(dataDir, 'admin-password'), 'my own one', { mode: 0o600 });
    const kept = await adminCredentials({ user: 'admin', password: undefined }, dataDir);
    expect(kept).toMatchObject({ ok: true, value: { password: 'my own one', file: { isNew: false } } });
  });
});

describe('a derived key', () => {
  test('a derived key depends on the secret and on the purpose', () => {
    const key = deriveKey('k'.repeat(32), 'browser-cookie/1');
    expect(key).toHaveLength(32);
    expect(deriveKey('k'.repeat(32), 'browser-cookie/1')).toStrictEqual(key);
    expect(deriveKey('k'.repeat(32), 'browser-cookie/2')).not.toStrictEqual(key);
    expect(deriveKey('l'.repeat(32), 'browser-cookie/1')).not.toStrictEqual(key);
  });

  test('a derived key never changes, so that cookies outlive a restart and an update', () => {
    expect(deriveKey('k'.repeat(32), 'browser-cookie/1').toString('hex')).toBe(
      'c55fa903bb96c3ca2baf40c97912a43846f372191bde8642c6cfa616c3360f5f',
    );
  });
});
