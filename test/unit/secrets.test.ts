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
  test('is made once and kept, for its owner alone', async () => {
    const first = await make();
    expect(first).toStrictEqual({
      ok: true,
      value: expect.stringMatching(/^[\w-]{43}$/) as string,
      source: 'made-now',
      path: join(dataDir, 'a-secret'),
      tightened: false,
    });
    expect(modeOf(join(dataDir, 'a-secret'))).toBe(0o600);
    expect(await make()).toStrictEqual({ ...first, source: 'kept' });
    expect(readdirSync(dataDir)).toStrictEqual(['a-secret']);
  });

  test('is for its owner alone whatever the umask says', async () => {
    const before = process.umask(0);
    try {
      await make();
    } finally {
      process.umask(before);
    }
    expect(modeOf(join(dataDir, 'a-secret'))).toBe(0o600);
  });

  test('gets its folder made, which others may pass but not list', async () => {
    const nested = join(dataDir, 'not', 'there');
    expect(await loadOrCreateSecret({ dataDir: nested, name: 's', bytes: 32 })).toMatchObject({ ok: true });
    expect(modeOf(nested)).toBe(0o711);
  });

  test('is the same for starts that race in one process', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => make()));
    expect(new Set(results.map((result) => result.ok && result.value)).size).toBe(1);
    expect(results.filter((result) => result.ok && result.source === 'made-now')).toHaveLength(1);
    expect(readdirSync(dataDir)).toStrictEqual(['a-secret']);
  });

  test('is the same for processes that start at once', async () => {
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

  test('that others can read is tightened, and that is said', async () => {
    await make();
    chmodSync(join(dataDir, 'a-secret'), 0o644);
    expect(await make()).toMatchObject({ ok: true, source: 'kept', tightened: true });
    expect(modeOf(join(dataDir, 'a-secret'))).toBe(0o600);
    expect(await make()).toMatchObject({ tightened: false });
  });

  test.each([
    ['empty', ''],
    ['cut', 'abc\n'],
    ['of two lines', `${'a'.repeat(43)}\n${'b'.repeat(43)}\n`],
    ['another file', 'x'.repeat(5_000)],
  ])('that is %s is a fault, and is not replaced', async (_, content) => {
    writeFileSync(join(dataDir, 'a-secret'), content, { mode: 0o600 });
    const result = await make();
    expect(result).toMatchObject({ ok: false, fault: { key: join(dataDir, 'a-secret') } });
    expect(result.ok ? '' : result.fault.remedy).toContain('remove the file');
    expect(readFileSync(join(dataDir, 'a-secret'), 'utf8')).toBe(content);
  });

  test('that cannot be had is a fault that says why', async () => {
    mkdirSync(join(dataDir, 'a-secret'));
    const modeBefore = modeOf(join(dataDir, 'a-secret'));
    expect(await make()).toMatchObject({ ok: false, fault: { problem: 'It is not a file.' } });
    expect(modeOf(join(dataDir, 'a-secret'))).toBe(modeBefore);
    writeFileSync(join(dataDir, 'file'), '');
    const below = await loadOrCreateSecret({ dataDir: join(dataDir, 'file'), name: 's', bytes: 32 });
    expect(below).toMatchObject({
      ok: false,
      fault: { key: join(dataDir, 'file', 's'), problem: expect.stringContaining('EEXIST') as string },
    });
  });

  test('comes from the randomness that is given, and a bug in it is thrown', async () => {
    const randomBytes = (bytes: number) => new Uint8Array(bytes).fill(7);
    const made = await loadOrCreateSecret({ dataDir, name: 'sevens', bytes: 32, randomBytes });
    expect(made.ok && made.value).toBe(Buffer.alloc(32, 7).toString('base64url'));
    const broken = (): never => {
      throw new RangeError('no randomness');
    };
    await expect(loadOrCreateSecret({ dataDir, name: 'x', bytes: 32, randomBytes: broken })).rejects.toThrow(
      RangeError,
    );
  });
});

describe('the secret key', () => {
  test('is the given one, and then nothing is kept', async () => {
    const given = 'k'.repeat(32);
    expect(await secretKey(given, dataDir)).toStrictEqual({ ok: true, value: given, source: 'config' });
    expect(readdirSync(dataDir)).toStrictEqual([]);
  });

  test('is else made and kept', async () => {
    const made = await secretKey(undefined, dataDir);
    const kept = await secretKey(undefined, dataDir);
    expect(made).toMatchObject({ source: 'made-now', path: join(dataDir, 'secret-key') });
    expect(kept.ok && kept.value).toBe(made.ok && made.value);
  });
});

describe("the admin's credentials", () => {
  test('are the configured ones, and then nothing is kept', async () => {
    const credentials = await adminCredentials({ user: 'ada', password: 'tulip-harbour-9' }, dataDir);
    expect(credentials).toStrictEqual({
      ok: true,
      user: 'ada',
      password: 'tulip-harbour-9',
      source: 'config',
    });
    expect(readdirSync(dataDir)).toStrictEqual([]);
  });

  test('are else made at the first start and kept, readable by their owner alone', async () => {
    const admin = { user: 'admin', password: undefined };
    const path = join(dataDir, 'admin-password');
    const made = await adminCredentials(admin, dataDir);
    expect(made).toMatchObject({ ok: true, user: 'admin', source: 'made-now', path, tightened: false });
    expect(await adminCredentials(admin, dataDir)).toStrictEqual({ ...made, source: 'kept' });
    expect(modeOf(path)).toBe(0o600);
    expect(readFileSync(path, 'utf8')).toBe(`${made.ok ? made.password : ''}\n`);
  });

  test('can be copied by hand: groups of characters that nobody mixes up', async () => {
    const made = await adminCredentials({ user: 'admin', password: undefined }, dataDir);
    expect(made.ok && made.password).toMatch(/^([2-9a-hjkmnp-z]{5}-){3}[2-9a-hjkmnp-z]{5}$/);
    expect(Math.log2(31) * 20).toBeGreaterThan(96);
  });

  test('are drawn fairly: bytes that would favour some characters are thrown away', async () => {
    // The first draw names the temporary file, the second one is thrown away.
    let calls = 0;
    const randomBytes = (bytes: number) => new Uint8Array(bytes).fill((calls += 1) <= 2 ? 248 : 247);
    const made = await adminCredentials({ user: 'admin', password: undefined }, dataDir, randomBytes);
    expect(made.ok && made.password).toBe('zzzzz-zzzzz-zzzzz-zzzzz');
    expect(calls).toBe(3);
  });

  test('may be written into the file by somebody', async () => {
    writeFileSync(join(dataDir, 'admin-password'), 'my own one', { mode: 0o600 });
    const kept = await adminCredentials({ user: 'admin', password: undefined }, dataDir);
    expect(kept).toMatchObject({ ok: true, password: 'my own one', source: 'kept' });
  });
});

describe('a derived key', () => {
  test('is the same for the same purpose, and another for another purpose or secret', () => {
    const key = deriveKey('k'.repeat(32), 'browser-cookie/1');
    expect(key).toHaveLength(32);
    expect(deriveKey('k'.repeat(32), 'browser-cookie/1')).toStrictEqual(key);
    expect(deriveKey('k'.repeat(32), 'browser-cookie/2')).not.toStrictEqual(key);
    expect(deriveKey('l'.repeat(32), 'browser-cookie/1')).not.toStrictEqual(key);
  });

  test('stays what it was: cookies outlive a restart and an update', () => {
    expect(deriveKey('k'.repeat(32), 'browser-cookie/1').toString('hex')).toBe(
      'c55fa903bb96c3ca2baf40c97912a43846f372191bde8642c6cfa616c3360f5f',
    );
  });
});
