// Machines whose login shell prints text: before, after and into what commands print. Real OpenSSH servers, and bash, which reads
// ~/.bashrc for each command.
import { createHash } from 'node:crypto';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { requirePart } from '../support/required.ts';
import { writeFiles } from '../support/sshd.ts';
import { hasSshd, startLab, type Lab } from './lab.ts';

const LONG_TEST_MS = 60_000;
const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');
const { username, shell } = userInfo();
const hasBash = requirePart('bash', shell?.endsWith('/bash') === true, 'Run the tests as a user of bash.');

/** A machine whose user has this ~/.bashrc. */
async function noisyMachine(lab: Lab, hostname: string, bashrc: string, programs = {}) {
  const home = await mkdtemp(join(await realpath(tmpdir()), 'lablink-home-'));
  await writeFile(join(home, '.bashrc'), `${bashrc}\n`);
  const machine = await lab.machine(hostname, { environment: { HOME: home }, programs });
  return { ...machine, [Symbol.asyncDispose]: () => rm(home, { recursive: true }) };
}

const seven = Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((n) => [`work ${n}.slp`, `file ${n}`]));

describe.skipIf(!hasSshd || !hasBash)('a login shell that prints text', () => {
  test.each([
    ['before each command', 'echo "Welcome to the lab machine!"'],
    ['without a line break at its end', "printf 'last login: today '"],
    ['before and after each command', "echo hello; trap 'echo goodbye; echo bye >&2' EXIT"],
    ['to standard error', 'echo "quota: 3 GB of 5 GB" >&2'],
    ['that is each command it runs', 'set -vx'],
    ['of more than a megabyte', "head -c 1500000 /dev/zero | tr '\\0' x"],
  ])(
    'a shell that prints text %s changes nothing in a download',
    async (_, bashrc) => {
      await using lab = startLab();
      await using machine = await noisyMachine(lab, 'vm-1', bashrc);
      await writeFiles(machine.sshd.folder, seven);
      const { files, manifest, missing } = await lab.archive([machine.target]);
      expect(files).toEqual(
        Object.fromEntries(Object.entries(seven).map(([name, text]) => [`vm-1/${name}`, sha256(text)])),
      );
      expect(missing).toBeNull();
      expect(manifest.vms[0]).toMatchObject({ failure: null, files: 7, notes: [] });
    },
    LONG_TEST_MS,
  );

  test(
    'a container is found although the shell prints text before the list of containers',
    async () => {
      await using lab = startLab();
      await using machine = await noisyMachine(lab, 'vm-1', 'echo "abcdef0123456 is not a container"', {
        sudo: 'shift; exec "$@"',
        docker: `
          [ "$1" = ps ] && { echo '0123456789ab desktop'; exit 0; }
          [ "$5" = 0123456789ab ] || { echo "No such container: $5" >&2; exit 1; }
          shift 5; exec "$@"`,
      });
      await writeFiles(machine.sshd.folder, { 'a.slp': 'work' });
      const place = { kind: 'container', name: null, folder: machine.sshd.folder } as const;
      const { files } = await lab.archive([{ ...machine.target, place }]);
      expect(files).toEqual({ 'vm-1/a.slp': sha256('work') });
    },
    LONG_TEST_MS,
  );

  test(
    'text in the middle of the list of files, and a shell that runs no command, are reported as what they are',
    async () => {
      await using lab = startLab();
      // The shell prints in the background while `find` is in the middle of its list.
      const until = (file: string): string => `while ! [ -e "$FOLDER/../${file}" ]; do sleep 0.02; done`;
      const bashrc = `(${until('now')}; echo intruder; touch "$FOLDER/../printed") &`;
      const list = '"$FOLDER/../list"';
      const find = `/usr/bin/find "$@" > ${list}; head -c 20 ${list}; touch "$FOLDER/../now"; ${until('printed')}; tail -c +21 ${list}`;
      await using into = await noisyMachine(lab, 'into', bashrc, { find });
      await using closed = await noisyMachine(lab, 'closed', 'echo "This account is closed."; exit 1');
      for (const { sshd } of [into, closed]) await writeFiles(sshd.folder, seven);
      const answer = await lab.download([into.target, closed.target]);
      const failed = answer.ok ? [] : answer.failure.vms;
      expect(failed.map(({ hostname, failure }) => [hostname, failure.code, failure.message])).toEqual([
        ['into', 'login_shell', `The login shell of ${username} prints text into the output of commands.`],
        [
          'closed',
          'login_shell',
          `The login shell of ${username} did not run a command. It printed: This account is closed.`,
        ],
      ]);
    },
    LONG_TEST_MS,
  );

  test(
    'a list of files with a record that cannot be read is an error',
    async () => {
      await using lab = startLab();
      const find = `/usr/bin/find "$@"; printf 'find: strange\\0'`;
      await using machine = await noisyMachine(lab, 'vm-1', ':', { find });
      await writeFiles(machine.sshd.folder, seven);
      const answer = await lab.download([machine.target]);
      expect(answer).toMatchObject({
        failure: {
          vms: [
            {
              failure: {
                code: 'search_failed',
                message: 'The list of files that the machine sent cannot be read at "find: strange".',
              },
            },
          ],
        },
      });
    },
    LONG_TEST_MS,
  );
});
