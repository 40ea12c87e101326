// The allocator's SSH key: created once, encrypted on disk, taken over from earlier versions.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSshKeyPair, readSshKeyPair } from '../../src/ssh/key-pair.ts';
import { loadOrMakeSshKeyPair } from '../../src/ssh/kept-key.ts';
import { seal, unseal } from '../../src/ssh/seal.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-keys-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('SSH keys', () => {
  const key = randomBytes(32);

  test('an SSH key pair is created once, and starts at the same time get the same pair', async () => {
    const dataDir = join(folder, 'keys');
    const pairs = await Promise.all(Array.from({ length: 10 }, () => loadOrMakeSshKeyPair(dataDir, key)));
    const privates = new Set(pairs.map((pair) => (pair.ok ? pair.value.privateKey : 'none')));
    expect(privates.size).toBe(1);
    expect([...privates][0]).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----/);
    const first = pairs[0]!;
    expect(first.ok && (await stat(first.value.path)).mode & 0o777).toBe(0o600);
    const publicLine = await readFile(join(dataDir, 'ssh/id_ed25519.pub'), 'utf8');
    expect(first.ok && publicLine.startsWith(first.value.publicKey)).toBe(true);
    expect((await readdir(join(dataDir, 'ssh'))).sort()).toEqual(['id_ed25519.pub', 'id_ed25519.sealed']);
  });

  test('no file in the folder contains the private half of the SSH key in plain text', async () => {
    const dataDir = join(folder, 'sealed-keys');
    const made = await loadOrMakeSshKeyPair(dataDir, key);
    const lines = made.ok ? made.value.privateKey.split('\n').filter((line) => line !== '') : [];
    expect(lines.length).toBeGreaterThan(3);
    for (const name of await readdir(join(dataDir, 'ssh'))) {
      const text = await readFile(join(dataDir, 'ssh', name), 'utf8');
      for (const line of lines) expect(text).not.toContain(line);
      expect(text).not.toContain('PRIVATE KEY');
    }
  });

  test('a plain SSH key of an earlier version is sealed unchanged, and its file is removed', async () => {
    const dataDir = join(folder, 'plain-keys');
    const plain = makeSshKeyPair();
    await mkdir(join(dataDir, 'ssh'), { recursive: true });
    await writeFile(join(dataDir, 'ssh/id_ed25519'), plain.privateKey, { mode: 0o644 });
    const results = await Promise.all(Array.from({ length: 5 }, () => loadOrMakeSshKeyPair(dataDir, key)));
    for (const result of results) expect(result).toMatchObject({ ok: true, value: plain });
    expect((await readdir(join(dataDir, 'ssh'))).sort()).toEqual(['id_ed25519.pub', 'id_ed25519.sealed']);
    expect(await loadOrMakeSshKeyPair(dataDir, key)).toMatchObject({ ok: true, value: plain });
  });

  test('a plain SSH key beside another sealed one is refused, and neither is removed', async () => {
    const dataDir = join(folder, 'two-keys');
    await loadOrMakeSshKeyPair(dataDir, key);
    await writeFile(join(dataDir, 'ssh/id_ed25519'), makeSshKeyPair().privateKey);
    const result = await loadOrMakeSshKeyPair(dataDir, key);
    expect(result.ok ? '' : result.failure.message).toMatch(/two different keys/);
    expect(await readdir(join(dataDir, 'ssh'))).toHaveLength(3);
  });

  test('an SSH key that another secret sealed is refused with what to do, and stays', async () => {
    const dataDir = join(folder, 'foreign-keys');
    const made = await loadOrMakeSshKeyPair(dataDir, key);
    const other = await loadOrMakeSshKeyPair(dataDir, randomBytes(32));
    expect(other.ok ? '' : `${other.failure.message} ${other.failure.remedy}`).toMatch(
      /another SECRET_KEY.*the earlier SECRET_KEY/,
    );
    expect(await loadOrMakeSshKeyPair(dataDir, key)).toEqual(made);
  });

  test('a sealed text opens with its key alone, never looks the same twice, and no byte of it can be changed', () => {
    const sealed = seal('a text, ä', key);
    expect(unseal(sealed, key)).toEqual({ ok: true, value: 'a text, ä' });
    expect(seal('a text, ä', key)).not.toBe(sealed);
    expect(unseal(sealed, randomBytes(32))).toEqual({ ok: false, failure: 'wrong_key' });
    const [header = '', iv = '', content = ''] = sealed.trim().split(' ');
    const bytes = Buffer.from(content, 'base64');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const line = `${header} ${iv} ${changed.toString('base64')}`;
      expect(unseal(line, key)).toEqual({ ok: false, failure: 'wrong_key' });
    }
    for (const line of ['', 'no key', header, `${header} ${iv}`, `${header} ${iv} AAAA`])
      expect(unseal(line, key)).toEqual({ ok: false, failure: 'damaged' });
  });

  test('an SSH key file that others can read is closed to them', async () => {
    const dataDir = join(folder, 'open-keys');
    const made = await loadOrMakeSshKeyPair(dataDir, key);
    await chmod(made.ok ? made.value.path : '', 0o644);
    const again = await loadOrMakeSshKeyPair(dataDir, key);
    expect(again.ok && (await stat(again.value.path)).mode & 0o777).toBe(0o600);
  });

  test('a damaged SSH key is refused with what to do', async () => {
    const dataDir = join(folder, 'damaged-keys');
    const made = await loadOrMakeSshKeyPair(dataDir, key);
    await writeFile(made.ok ? made.value.path : '', 'no key');
    const again = await loadOrMakeSshKeyPair(dataDir, key);
    expect(again.ok ? '' : again.failure.remedy).toMatch(/remove the file/);
  });

  test('a thousand generated SSH key pairs all work, although one in 256 of ssh2 does not', () => {
    const pairs = Array.from({ length: 1000 }, makeSshKeyPair);
    const lengths = new Set(
      pairs.map(({ publicKey }) => Buffer.from(publicKey.split(' ')[1]!, 'base64').length),
    );
    expect(lengths).toEqual(new Set([51]));
    expect(pairs.every(({ privateKey }) => readSshKeyPair(privateKey) !== undefined)).toBe(true);
  });
});
