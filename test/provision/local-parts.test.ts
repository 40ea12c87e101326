// The parts of local VMs that need no process: the start-host simulator, and files.
import { mkdtemp, readdir, readFile, realpath, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProgramEnd } from '../../src/agent/program.ts';
import { readVmFile, writeVmFile } from '../../src/provision/local/vm-folder.ts';
import { sampleFiles } from '../../src/provision/local/samples.ts';
import { simulateStartHost } from '../../src/provision/local/simulated-start-host.ts';
import {
  checkStartHostCall,
  forgetOldCodes,
  useCode,
  type StartHostCall,
} from '../../src/provision/local/start-host-check.ts';

const outputOf = (end: ProgramEnd): string => (end.kind === 'not_started' ? '' : end.output);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-parts-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the start-host simulator', () => {
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

  test('the start-host simulator accepts a correct call and returns its code', () => {
    expect(checkStartHostCall(right)).toEqual({ kind: 'valid', code: '4/0Axyz_-09' });
  });

  test.each([
    ['no code', withArgs(redirect, name), /--code= is missing/],
    ['an empty code', withArgs('--code=', redirect, name), /--code= is empty/],
    ['a code with a quote', withArgs('--code="4/0A"', redirect, name), /characters that no code has/],
    ['a code with a line break', withArgs('--code=4/0A\n', redirect, name), /characters that no code has/],
    [
      'a code separated from its option',
      withArgs('--code', '4/0A', redirect, name),
      /"4\/0A" is not allowed/,
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
      /"--pin=123456" is not allowed/,
    ],
    ['a DISPLAY', { ...right, display: ':0' }, /DISPLAY is ":0"/],
    ['no DISPLAY at all', { ...right, display: undefined }, /DISPLAY is not set/],
    ['no input', { ...right, input: '' }, /fewer than two lines/],
    ['one PIN', { ...right, input: '123456\n' }, /not the same/],
    ['a PIN of five digits', { ...right, input: '12345\n12345\n' }, /not 6 digits/],
    ['a PIN of seven digits', { ...right, input: '1234567\n1234567\n' }, /not 6 digits/],
    ['two PINs that differ', { ...right, input: '123456\n123457\n' }, /not the same/],
    ['more than two lines', { ...right, input: '123456\n123456\n123456\n' }, /more than the two PINs/],
  ])('the start-host simulator rejects %s', (_, call, fault) => {
    const checked = checkStartHostCall(call);
    expect(checked).toMatchObject({ kind: 'invalid' });
    expect(checked.kind === 'valid' ? '' : checked.errors.join(' ')).toMatch(fault);
  });

  test('the start-host simulator reports all errors at once, without the code or the PIN', () => {
    const checked = checkStartHostCall({
      args: ['--code=secret!', '--x'],
      display: ':1',
      input: '13579\n97531',
      hostname: 'vm',
    });
    const errors = checked.kind === 'valid' ? [] : checked.errors;
    expect(errors.length).toBeGreaterThanOrEqual(6);
    expect(errors.join(' ')).not.toMatch(/secret|13579|97531/);
  });

  test('the start-host simulator rejects a wrong call without using up its code', async () => {
    const host = {
      hostname: 'lablink-vm-test-1',
      usedCodes: join(folder, 'untouched-codes'),
      registration: join(folder, 'registration.json'),
    };
    const call = (display: string, input: string) =>
      simulateStartHost({ args: right.args, environment: { DISPLAY: display }, input }, host);
    const refused = await call(':0', '123456\n654321\n');
    expect(refused).toMatchObject({ kind: 'exited', code: 1 });
    expect(outputOf(refused).trim().split('\n')).toEqual([
      'start-host simulator: this machine is a local VM; nothing is registered with Google.',
      'start-host simulator: DISPLAY is ":0" but should be empty.',
      'start-host simulator: The two PINs are not the same.',
    ]);
    await expect(stat(host.registration)).rejects.toThrow('ENOENT');
    const accepted = await call('', right.input);
    expect(accepted).toMatchObject({ code: 0 });
    expect(outputOf(accepted)).toMatch(/Host started successfully\.\n$/);
    expect(JSON.parse(await readFile(host.registration, 'utf8'))).toMatchObject({ name: host.hostname });
    const again = await call('', right.input);
    expect(again).toMatchObject({ code: 1 });
    expect(outputOf(again)).toMatch(/invalid_grant.*already used/);
  });

  test('a code is accepted once, also if a hundred machines use it at the same moment', async () => {
    const codes = join(folder, 'codes');
    const uses = await Promise.all(Array.from({ length: 100 }, () => useCode(codes, '4/0Aonce')));
    expect(uses.filter((use) => use === 'first-use')).toHaveLength(1);
    expect(await useCode(codes, '4/0Aanother')).toBe('first-use');
  });

  test('used codes are forgotten after a day and not before', async () => {
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

  test('machine.json is read back as it was written, and only its owner can read it', async () => {
    const path = join(folder, 'machine.json');
    await writeVmFile(path, machine);
    await writeVmFile(path, { ...machine, sshPort: 4023 });
    expect(await readVmFile(path)).toEqual({ ...machine, sshPort: 4023 });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('machine.json is ignored if it is missing, truncated, or of another version', async () => {
    const path = join(folder, 'damaged.json');
    expect(await readVmFile(path)).toBeUndefined();
    await writeFile(path, JSON.stringify(machine).slice(0, 50));
    expect(await readVmFile(path)).toBeUndefined();
    const readBack = async (content: object) => {
      await writeFile(path, JSON.stringify(content));
      return readVmFile(path);
    };
    expect(await readBack(machine)).toEqual(machine);
    expect(await readBack({ ...machine, version: 2 })).toBeUndefined();
    for (const key of [
      'hostname',
      'token',
      'operationId',
      'allocatorUrl',
      'sshUser',
      'sshHostKey',
      'authorizedKey',
    ]) {
      expect(await readBack({ ...machine, [key]: undefined })).toBeUndefined();
    }
  });
});

test('the sample files have sub-folders, spaces, non-ASCII letters, and folders that downloads leave out', () => {
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
