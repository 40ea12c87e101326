// New shutdown times over SSH: real OpenSSH servers, whose `sudo` stands in for the machine's.
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRescheduleShutdown } from '../../src/provision/aws/reschedule-shutdown.ts';
import type { SshAccess } from '../../src/provision/provider.ts';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';
import { requirePart } from '../support/required.ts';
import { SSHD, startSshd } from '../support/sshd.ts';

const keys = makeSshKeyPair();
const hasSshd = requirePart('sshd', SSHD !== undefined, 'Install openssh-server.');

/** A machine that records the commands, and answers each with this exit code and output. */
async function startMachine({ code = 0, says = '', bashrc = '' } = {}) {
  const home = await mkdtemp(join(await realpath(tmpdir()), 'lablink-home-'));
  await writeFile(join(home, '.bashrc'), `${bashrc}\n`);
  const sshd = await startSshd({
    authorizedKey: keys.publicKey,
    environment: { HOME: home },
    programs: { sudo: `printf '%s\\n' "$*" >> "$FOLDER/commands"; printf '%s' '${says}' >&2; exit ${code}` },
  });
  return {
    reach: { address: '127.0.0.1', sshPort: sshd.port, sshUser: sshd.user, sshHostKey: sshd.hostKey },
    commands: () => readFile(join(sshd.folder, 'commands'), 'utf8').catch(() => ''),
    [Symbol.asyncDispose]: async () => {
      await sshd[Symbol.asyncDispose]();
      await rm(home, { recursive: true });
    },
  };
}

const END = new Date('2026-11-25T18:00:00.500Z');
const learned: string[][] = [];
const reschedule = async (reaches: Readonly<Record<string, SshAccess | null>>) => {
  const results = await createRescheduleShutdown({
    reachOf: (hostname) => Promise.resolve(reaches[hostname] ?? null),
    privateKey: keys.privateKey,
    defaultUser: 'ubuntu',
    onHostKey: (hostname, key) => Promise.resolve(void learned.push([hostname, key])),
    timeoutMs: 15_000,
  })(Object.keys(reaches), END, new AbortController().signal);
  return Object.fromEntries(results.map(({ hostname, error }) => [hostname, error]));
};

describe.skipIf(!hasSshd)('new shutdown times', () => {
  test('each machine gets the second of its shutdown, and the command contains nothing else', async () => {
    await using one = await startMachine();
    await using two = await startMachine();
    expect(await reschedule({ one: one.reach, two: two.reach })).toEqual({ one: null, two: null });
    for (const { commands } of [one, two])
      expect(await commands()).toBe('-n /usr/local/sbin/lablink-end 1795629600\n');
  });

  test('a problem is reported for each machine', async () => {
    await using refusing = await startMachine({ code: 3, says: 'no such timer\n' });
    await using orphan = await startMachine();
    const problems = await reschedule({
      refusing: refusing.reach,
      orphan: { ...orphan.reach, sshHostKey: keys.publicKey },
      gone: { address: '127.0.0.1', sshPort: 1 },
      unknown: null,
    });
    expect(problems['refusing']).toBe('The machine rejected the new shutdown time (exit 3): no such timer.');
    expect(problems['orphan']).toContain('host key is not the known one');
    expect(await orphan.commands()).toBe('');
    expect(problems['gone']).toContain('cannot be reached over SSH');
    expect(problems['unknown']).toBe('Its address is not known yet.');
  });

  test('text that the login shell prints is no part of the answer, and its exit code is not that of the command', async () => {
    const bashrc = "echo 'Welcome!'; echo 'quota: 90 %' >&2; trap 'echo bye; exit 0' EXIT";
    await using refusing = await startMachine({ code: 3, says: 'no such timer', bashrc });
    await using accepting = await startMachine({ bashrc });
    await using closed = await startMachine({ bashrc: 'echo "This account is closed."; exit 0' });
    expect(
      await reschedule({ refusing: refusing.reach, accepting: accepting.reach, closed: closed.reach }),
    ).toEqual({
      refusing: 'The machine rejected the new shutdown time (exit 3): no such timer.',
      accepting: null,
      closed:
        'The machine cannot be reached over SSH: the login shell ran no command: This account is closed.',
    });
  });

  test('an unknown host key is accepted and reported', async () => {
    await using machine = await startMachine();
    const { sshHostKey: key, ...reach } = machine.reach;
    expect(await reschedule({ new: reach })).toEqual({ new: null });
    expect(learned).toContainEqual(['new', key]);
  });
});
