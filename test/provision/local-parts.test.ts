// The parts of local VMs that need no process: what the stand-in checks, keys, files.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  parseMachineFile,
  readMachineFile,
  writeMachineFile,
} from '../../src/provision/local/machine-file.ts';
import { sampleFiles } from '../../src/provision/local/samples.ts';
import { checkStartHostCall, type StartHostCall } from '../../src/provision/local/start-host-check.ts';
import { forgetOldCodes, useCode } from '../../src/provision/local/used-codes.ts';
import { makeSshKeyPair, readSshKeyPair } from '../../src/ssh/key-pair.ts';
import { loadOrMakeSshKeyPair } from '../../src/ssh/kept-key.ts';
import { seal, unseal } from '../../src/ssh/seal.ts';

const STAND_IN = fileURLToPath(new URL('../../src/provision/local/start-host-stand-in.ts', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-parts-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('what the stand-in for start-host checks', () => {
  const right: StartHostCall = {
    args: [
      '--code=4/0Axyz_-09',
      '--redirect-url=https://remotedesktop.google.com/_/oauthredirect',
      '--name=lablink-vm-test-1',
    ],
    display: '',
    input: '123456\n123456\n',
    hostname: 'lablink-vm-test-1',
  };
  const withArgs = (...args: string[]): StartHostCall => ({ ...right, args });
  const [code = '', redirect = '', name = ''] = right.args;

  test('a call as it should be gives its code', () => {
    expect(checkStartHostCall(right)).toEqual({ ok: true, code: '4/0Axyz_-09' });
  });

  test.each([
    ['no code', withArgs(redirect, name), /--code= is missing/],
    ['an empty code', withArgs('--code=', redirect, name), /--code= is empty/],
    ['a code with a quote', withArgs('--code="4/0A"', redirect, name), /characters that no code has/],
    ['a code with a line break', withArgs('--code=4/0A\n', redirect, name), /characters that no code has/],
    [
      'a code that came apart from its option',
      withArgs('--code', '4/0A', redirect, name),
      /"4\/0A" is not expected/,
    ],
    ['two codes', withArgs(code, code, redirect, name), /--code is given more than once/],
    [
      'another redirect',
      withArgs(code, '--redirect-url=https://evil.example/', name),
      /should be "https:\/\/remotedesktop/,
    ],
    ['no redirect', withArgs(code, name), /--redirect-url= is missing/],
    [
      'the name of another machine',
      withArgs(code, redirect, '--name=other'),
      /should be "lablink-vm-test-1"/,
    ],
    [
      'a name that a shell should have made',
      withArgs(code, redirect, '--name=$(hostname)'),
      /should be "lablink-vm/,
    ],
    [
      'an option that nobody asked for',
      withArgs(...right.args, '--pin=123456'),
      /"--pin=123456" is not expected/,
    ],
    ['a DISPLAY', { ...right, display: ':0' }, /DISPLAY is ":0"/],
    ['no DISPLAY at all', { ...right, display: undefined }, /DISPLAY is not set/],
    ['no input', { ...right, input: '' }, /no two lines/],
    ['one PIN', { ...right, input: '123456\n' }, /not the same/],
    ['a PIN of five digits', { ...right, input: '12345\n12345\n' }, /not 6 digits/],
    ['a PIN of seven digits', { ...right, input: '1234567\n1234567\n' }, /not 6 digits/],
    ['two PINs that differ', { ...right, input: '123456\n123457\n' }, /not the same/],
    ['more than two lines', { ...right, input: '123456\n123456\n123456\n' }, /goes on/],
  ])('%s is told', (_, call, fault) => {
    const checked = checkStartHostCall(call);
    expect(checked).toMatchObject({ ok: false });
    expect(checked.ok ? '' : checked.faults.join(' ')).toMatch(fault);
  });

  test('all that is wrong is told at once, and neither code nor PIN', () => {
    const checked = checkStartHostCall({
      args: ['--code=secret!', '--x'],
      display: ':1',
      input: '13579\n97531',
      hostname: 'vm',
    });
    const told = checked.ok ? [] : checked.faults;
    expect(told.length).toBeGreaterThanOrEqual(6);
    expect(told.join(' ')).not.toMatch(/secret|13579|97531/);
  });

  test('the program itself refuses a wrong call with what is wrong, and uses no code for it', () => {
    const codes = join(folder, 'untouched-codes');
    const call = (args: readonly string[], display: string, input: string) =>
      spawnSync(
        process.execPath,
        [STAND_IN, 'lablink-vm-test-1', codes, join(folder, 'registration.json'), ...args],
        {
          env: { DISPLAY: display },
          input,
          encoding: 'utf8',
        },
      );
    const refused = call(right.args, ':0', '123456\n654321\n');
    expect(refused.status).toBe(1);
    expect(refused.stdout).toContain('start-host-stand-in: this machine is a local VM');
    expect(refused.stderr.trim().split('\n')).toEqual([
      'start-host-stand-in: DISPLAY is ":0", and should be set to nothing.',
      'start-host-stand-in: The two PINs are not the same.',
    ]);
    expect(call(right.args, '', right.input)).toMatchObject({ status: 0, stderr: '' });
    expect(call(right.args, '', right.input)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/invalid_grant.*already used/) as string,
    });
  });

  test('a code is used once, also when a hundred machines try it at the same moment', async () => {
    const codes = join(folder, 'codes');
    const uses = await Promise.all(Array.from({ length: 100 }, () => useCode(codes, '4/0Aonce')));
    expect(uses.filter((use) => use === 'first-use')).toHaveLength(1);
    expect(await useCode(codes, '4/0Aanother')).toBe('first-use');
  });

  test('codes are forgotten after a day, and not before', async () => {
    const codes = join(folder, 'old-codes');
    await useCode(codes, 'old');
    const [name = ''] = await readdir(codes);
    await utimes(join(codes, name), 1_000_000, 1_000_000);
    await useCode(codes, 'young');
    const young = (
      await stat(
        join(
          codes,
          (await readdir(codes)).find((other) => other !== name)!,
        ),
      )
    ).mtimeMs;
    await forgetOldCodes(codes, young + 1000);
    expect(await useCode(codes, 'old')).toBe('first-use');
    expect(await useCode(codes, 'young')).toBe('used-before');
  });
});

describe('SSH keys', () => {
  const key = randomBytes(32);

  test('a pair is made once, and everybody gets the same', async () => {
    const dataDir = join(folder, 'keys');
    const pairs = await Promise.all(Array.from({ length: 10 }, () => loadOrMakeSshKeyPair(dataDir, key)));
    const privates = new Set(pairs.map((pair) => (pair.ok ? pair.keyPair.privateKey : 'none')));
    expect(privates.size).toBe(1);
    expect([...privates][0]).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----/);
    const first = pairs[0]!;
    expect(first.ok && (await stat(first.path)).mode & 0o777).toBe(0o600);
    const publicLine = await readFile(join(dataDir, 'ssh/id_ed25519.pub'), 'utf8');
    expect(first.ok && publicLine.startsWith(first.keyPair.publicKey)).toBe(true);
    expect((await readdir(join(dataDir, 'ssh'))).sort()).toEqual(['id_ed25519.pub', 'id_ed25519.sealed']);
  });

  test('the private half is sealed: nothing in the folder holds it', async () => {
    const dataDir = join(folder, 'sealed-keys');
    const made = await loadOrMakeSshKeyPair(dataDir, key);
    const lines = made.ok ? made.keyPair.privateKey.split('\n').filter((line) => line !== '') : [];
    expect(lines.length).toBeGreaterThan(3);
    for (const name of await readdir(join(dataDir, 'ssh'))) {
      const text = await readFile(join(dataDir, 'ssh', name), 'utf8');
      for (const line of lines) expect(text).not.toContain(line);
      expect(text).not.toContain('PRIVATE KEY');
    }
  });

  test('a plain key of before is taken over once: sealed, the same, and removed', async () => {
    const dataDir = join(folder, 'plain-keys');
    const plain = makeSshKeyPair();
    await mkdir(join(dataDir, 'ssh'), { recursive: true });
    await writeFile(join(dataDir, 'ssh/id_ed25519'), plain.privateKey, { mode: 0o644 });
    const results = await Promise.all(Array.from({ length: 5 }, () => loadOrMakeSshKeyPair(dataDir, key)));
    for (const result of results) expect(result).toMatchObject({ ok: true, keyPair: plain });
    expect((await readdir(join(dataDir, 'ssh'))).sort()).toEqual(['id_ed25519.pub', 'id_ed25519.sealed']);
    expect(await loadOrMakeSshKeyPair(dataDir, key)).toMatchObject({ ok: true, keyPair: plain });
  });

  test('a plain key beside another sealed one is a fault: neither is thrown away', async () => {
    const dataDir = join(folder, 'two-keys');
    await loadOrMakeSshKeyPair(dataDir, key);
    await writeFile(join(dataDir, 'ssh/id_ed25519'), makeSshKeyPair().privateKey);
    const result = await loadOrMakeSshKeyPair(dataDir, key);
    expect(result.ok ? 'no fault' : result.problem).toMatch(/two different keys/);
    expect(await readdir(join(dataDir, 'ssh'))).toHaveLength(3);
  });

  test('with another secret it is not opened, and stays: the fault says what to do', async () => {
    const dataDir = join(folder, 'foreign-keys');
    const made = await loadOrMakeSshKeyPair(dataDir, key);
    const other = await loadOrMakeSshKeyPair(dataDir, randomBytes(32));
    expect(other.ok ? 'no fault' : `${other.problem} ${other.remedy}`).toMatch(
      /another SECRET_KEY.*SECRET_KEY of before/,
    );
    expect(await loadOrMakeSshKeyPair(dataDir, key)).toEqual(made);
  });

  test('what is sealed is opened by its key alone, never looks the same, and no byte of it can be changed', () => {
    const sealed = seal('a text, ä', key);
    expect(unseal(sealed, key)).toEqual({ ok: true, text: 'a text, ä' });
    expect(seal('a text, ä', key)).not.toBe(sealed);
    expect(unseal(sealed, randomBytes(32))).toEqual({ ok: false, why: 'wrong-key' });
    const [header = '', iv = '', content = ''] = sealed.trim().split(' ');
    const bytes = Buffer.from(content, 'base64');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const line = `${header} ${iv} ${changed.toString('base64')}`;
      expect(unseal(line, key)).toEqual({ ok: false, why: 'wrong-key' });
    }
    for (const line of ['', 'no key', header, `${header} ${iv}`, `${header} ${iv} AAAA`])
      expect(unseal(line, key)).toEqual({ ok: false, why: 'damaged' });
  });

  test('a key that others could read is closed to them', async () => {
    const dataDir = join(folder, 'open-keys');
    const made = await loadOrMakeSshKeyPair(dataDir, key);
    await chmod(made.ok ? made.path : '', 0o644);
    const again = await loadOrMakeSshKeyPair(dataDir, key);
    expect(again.ok && (await stat(again.path)).mode & 0o777).toBe(0o600);
  });

  test('a damaged key is told, with what to do', async () => {
    const dataDir = join(folder, 'damaged-keys');
    const made = await loadOrMakeSshKeyPair(dataDir, key);
    await writeFile(made.ok ? made.path : '', 'no key');
    const again = await loadOrMakeSshKeyPair(dataDir, key);
    expect(again.ok ? 'no fault' : again.remedy).toMatch(/remove the file/);
  });

  test('a thousand pairs all work, although one in 256 that ssh2 makes does not', () => {
    const pairs = Array.from({ length: 1000 }, makeSshKeyPair);
    const lengths = new Set(
      pairs.map(({ publicKey }) => Buffer.from(publicKey.split(' ')[1]!, 'base64').length),
    );
    expect(lengths).toEqual(new Set([51]));
    expect(pairs.every(({ privateKey }) => readSshKeyPair(privateKey) !== undefined)).toBe(true);
  });
});

describe('machine.json', () => {
  const machine = {
    version: 1,
    hostname: 'vm-1',
    token: 'secret',
    operationId: 'the-launch',
    allocatorUrl: 'http://127.0.0.1:5000',
    software: null,
    sshUser: 'me',
    sshPort: 4022,
    sshHostKey: 'key',
    authorizedKey: 'ssh-ed25519 AAAA',
    provisioningSeconds: 0.25,
  } as const;

  test('comes back as it was written, for its owner alone', async () => {
    const path = join(folder, 'machine.json');
    await writeMachineFile(path, machine);
    await writeMachineFile(path, { ...machine, sshPort: 4023 });
    expect(await readMachineFile(path)).toEqual({ ...machine, sshPort: 4023 });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('is nothing where it is missing, cut off, or of another version', async () => {
    const path = join(folder, 'damaged.json');
    expect(await readMachineFile(path)).toBeUndefined();
    await writeFile(path, JSON.stringify(machine).slice(0, 50));
    expect(await readMachineFile(path)).toBeUndefined();
    expect(parseMachineFile({ ...machine, version: 2 })).toBeUndefined();
    for (const key of [
      'hostname',
      'token',
      'operationId',
      'allocatorUrl',
      'sshUser',
      'sshHostKey',
      'authorizedKey',
    ]) {
      expect(parseMachineFile({ ...machine, [key]: undefined })).toBeUndefined();
    }
  });
});

test('the samples have sub-folders, spaces, letters beyond ASCII, and folders that downloads leave out', () => {
  const paths = sampleFiles('vm-1').map(({ path }) => path);
  for (const trait of [
    /\//,
    / /,
    /[^ -~]/,
    /\/models\//,
    /\/predictions\//,
    /\.slp$/,
    /\.csv$/,
    /\.txt$/,
    /\.png$/,
  ]) {
    expect(paths.some((path) => trait.test(path))).toBe(true);
  }
  const bytes = sampleFiles('vm-1').reduce((sum, { content }) => sum + Buffer.from(content).length, 0);
  expect(bytes).toBeLessThan(64 * 1024);
});
