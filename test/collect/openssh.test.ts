// Downloads from real OpenSSH servers: which files, under which names, with which metadata files.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';
import { writeFiles } from '../support/sshd.ts';
import { hasSshd, startLab } from './lab.ts';

const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
const LONG_TEST_MS = 60_000;

/** Instead of a container: programs that run commands in the machine's folder. */
const CONTAINER = {
  sudo: 'shift; exec "$@"',
  docker: `
    if [ "$1" = ps ]; then printf '%s' "$CONTAINERS"; exit 0; fi
    [ "$1" = exec ] || exit 64
    shift; [ "$1" = -i ] && shift; [ "$1" = --user ] && shift 2
    id=$1; shift
    case "$id" in
      0123456789ab|desktop) ;;
      *) echo "Error response from daemon: No such container: $id" >&2; exit 1;;
    esac
    n=$#; while [ "$n" -gt 0 ]; do a=$1; shift; [ "$a" = /home/client/Desktop ] && a=$FOLDER; set -- "$@" "$a"; n=$((n-1)); done
    exec "$@"`,
};
const IN_CONTAINER = { kind: 'container', name: null, folder: '/home/client/Desktop' } as const;

describe.skipIf(!hasSshd)('a download', () => {
  test(
    'every file arrives with its name, content and time, and files that are left out are counted',
    async () => {
      await using lab = startLab();
      const { sshd, target } = await lab.machine('vm-1');
      const big = Buffer.alloc(3_000_000, 'not the same twice ');
      const wanted: Record<string, string | Buffer> = {
        'a b/labels.slp': 'labels',
        'it\'s "quoted" `$(touch x)`.slp': 'quoted',
        'line\nbreak.slp': 'line',
        '-rf.slp': 'dash',
        '--checkpoint-action=exec=sh.slp': 'dashes',
        'Übung Ångström/Müller – Zählung.slp': 'letters',
        '*.slp': 'star',
        ' lead and trail .slp': 'spaces',
        'deep/er/and/deep/er/still/UPPER.SLP': 'deep',
        [`${'long'.repeat(50)}/${'name'.repeat(40)}.slp`]: 'long',
        'empty.slp': '',
        'big.slp': big,
      };
      /** Names that Windows or macOS cannot hold. */
      const stored: Record<string, string> = {
        'it\'s "quoted" `$(touch x)`.slp': "it's _quoted_ `$(touch x)`.slp",
        'line\nbreak.slp': 'line_break.slp',
        '*.slp': '_.slp',
      };
      await writeFiles(sshd.folder, {
        ...wanted,
        'models/best.slp': 'a model',
        'deep/predictions/1.slp': 'predicted',
        'notes.csv': '1,2,3',
        README: 'no extension',
        '.hidden': 'neither',
        'modelsnot/x.txt': 'text',
      });
      await symlink('/etc/passwd', join(sshd.folder, 'link.slp'));
      await symlink('..', join(sshd.folder, 'up'));
      await utimes(join(sshd.folder, 'big.slp'), 1_700_000_000, 1_700_000_000);

      const { files, manifest, missing } = await lab.archive([{ ...target, participant: 'ada@example.org' }]);
      expect(files).toEqual(
        Object.fromEntries(
          Object.entries(wanted).map(([name, content]) => [`vm-1/${stored[name] ?? name}`, sha256(content)]),
        ),
      );
      expect(missing).toBeNull();
      const [vm] = manifest.vms;
      expect(vm).toMatchObject({
        hostname: 'vm-1',
        participant: 'ada@example.org',
        files: Object.keys(wanted).length,
        failure: null,
        left_behind: {
          files: 8,
          by_extension: {
            slp: { files: 2 },
            csv: { files: 1, bytes: 5 },
            '(none)': { files: 2 },
            '(link)': { files: 2 },
          },
        },
      });
      expect(Object.fromEntries(vm?.entries.map(({ name, sha256: sum }) => [name, sum]) ?? [])).toEqual(
        files,
      );
      expect(vm?.entries.find(({ name }) => name === 'vm-1/big.slp')).toMatchObject({
        bytes: big.length,
        modified: '2023-11-14T22:13:20.000Z',
      });
    },
    LONG_TEST_MS,
  );

  test(
    'several extensions or all files can be chosen, and names that are not UTF-8 are made readable, with their bytes in the manifest',
    async () => {
      await using lab = startLab({ choice: { extensions: ['slp', 'tar.gz'], leftOut: [] } });
      await using all = startLab({ choice: { extensions: null, leftOut: [] } });
      const { sshd, target } = await lab.machine('vm-1');
      await writeFiles(sshd.folder, { 'a.slp': '1', 'b.tar.gz': '2', 'c.gz': '3', 'models/d.slp': '4' });
      await writeFile(Buffer.concat([Buffer.from(`${sshd.folder}/caf`), Buffer.of(0xe9)]), '5');
      const some = Object.keys((await lab.archive([target])).files);
      expect(some.toSorted()).toEqual(['vm-1/a.slp', 'vm-1/b.tar.gz', 'vm-1/models/d.slp']);
      await writeFiles(sshd.folder, { 'back\\slash.txt': '6' });
      const { files, manifest } = await all.archive([{ ...target, hostKey: null }]);
      const others = ['vm-1/c.gz', 'vm-1/café', 'vm-1/back_slash.txt'];
      expect(Object.keys(files).toSorted()).toEqual([...some, ...others].toSorted());
      const paths = manifest.vms[0]?.entries.flatMap(({ name, path_base64: path }) =>
        path === undefined ? [] : [[name, Buffer.from(path, 'base64').toString('latin1')]],
      );
      expect(paths?.toSorted()).toEqual([
        ['vm-1/back_slash.txt', 'back\\slash.txt'],
        ['vm-1/café', 'café'],
      ]);
    },
    LONG_TEST_MS,
  );

  test(
    'files are taken from the container that runs, or from the one that is configured',
    async () => {
      await using lab = startLab();
      const options = { programs: CONTAINER, environment: { CONTAINERS: '0123456789ab desktop' } };
      const { sshd, target } = await lab.machine('vm-1', options);
      await writeFiles(sshd.folder, { "it's mine/a b.slp": 'in the container' });
      for (const place of [IN_CONTAINER, { ...IN_CONTAINER, name: 'desktop' }]) {
        const { files } = await lab.archive([{ ...target, place }]);
        expect(files).toEqual({ "vm-1/it's mine/a b.slp": sha256('in the container') });
      }
    },
    LONG_TEST_MS,
  );

  test(
    'each machine that cannot be searched is reported with its reason, and if there is no other, there is no archive',
    async () => {
      await using lab = startLab({ limits: { connectMs: 3_000 } });
      const good = await lab.machine('good');
      await writeFiles(good.sshd.folder, { 'a.slp': 'work' });
      const orphan = await lab.machine('orphan', { authorizedKey: makeSshKeyPair().publicKey });
      const idle = await lab.machine('idle', { programs: CONTAINER, environment: { CONTAINERS: ' ' } });
      const bare = await lab.machine('bare', {
        programs: { sudo: 'echo "sudo: docker: command not found" >&2; exit 1' },
      });
      const bad = [
        { ...good.target, hostname: 'nowhere', address: null },
        { ...good.target, hostname: 'dead', port: 1 },
        orphan.target,
        { ...good.target, hostname: 'changed', hostKey: makeSshKeyPair().publicKey },
        { ...idle.target, place: IN_CONTAINER },
        { ...idle.target, hostname: 'other', place: { ...IN_CONTAINER, name: 'nobody' } },
        { ...bare.target, place: IN_CONTAINER },
        { ...good.target, hostname: 'elsewhere', place: { kind: 'folder', folder: '/no/such' } as const },
      ];
      const reasons = {
        nowhere: 'no_address: The SSH address of this machine is not known.',
        dead: 'unreachable: The machine cannot be reached by SSH (127.0.0.1 port 1): connect ECONNREFUSED 127.0.0.1:1.',
        orphan: expect.stringMatching(
          /^key_refused: The machine refused the allocator's key for the user /,
        ) as string,
        changed: expect.stringMatching(
          /^host_key_changed: The host key has changed: expected SHA256:/,
        ) as string,
        idle: 'no_container: No container runs on the machine.',
        other: 'no_container: The container nobody does not run on the machine.',
        bare: 'no_container: Docker on the machine did not answer: sudo: docker: command not found.',
        elsewhere: 'no_folder: There is no folder /no/such on the machine.',
      };
      const answer = await lab.download(bad);
      const failed = answer.ok ? [] : answer.failure.vms;
      expect(answer).toMatchObject({ failure: { code: 'download_failed' } });
      expect(
        Object.fromEntries(
          failed.map(({ hostname, failure }) => [hostname, `${failure.code}: ${failure.message}`]),
        ),
      ).toEqual(reasons);

      const { names, manifest, missing, csv } = await lab.archive([...bad, good.target]);
      expect(names.filter((name) => name.startsWith('good/'))).toEqual(['good/a.slp']);
      expect(names.at(-1)).toBe('MISSING.txt');
      for (const { hostname, failure } of manifest.vms.filter((vm) => vm.failure !== null)) {
        expect(missing).toContain(`\n${hostname}\n  ${failure?.reason ?? ''}`);
        expect(csv).toContain(`"${hostname}"`);
      }
      expect(manifest.vms.filter(({ failure }) => failure !== null)).toHaveLength(bad.length);
    },
    LONG_TEST_MS,
  );

  test(
    'the first host key that a machine shows is pinned, and a machine with another key is refused',
    async () => {
      await using lab = startLab();
      const { sshd, target } = await lab.machine('vm-1');
      await writeFiles(sshd.folder, { 'a.slp': 'work' });
      await lab.archive([{ ...target, hostKey: null }]);
      expect(lab.pinned.get('vm-1')).toBe(sshd.hostKey);
      const replaced = await lab.machine('vm-1');
      await writeFiles(replaced.sshd.folder, { 'a.slp': 'of an attacker' });
      const answer = await lab.download([{ ...replaced.target, hostKey: sshd.hostKey }]);
      expect(answer).toMatchObject({
        failure: { code: 'download_failed', vms: [{ failure: { code: 'host_key_changed' } }] },
      });
    },
    LONG_TEST_MS,
  );

  test(
    'if no machine has files to download, there is no archive, and the files left out are counted',
    async () => {
      await using lab = startLab();
      const one = await lab.machine('vm-1');
      const two = await lab.machine('vm-2');
      await writeFiles(two.sshd.folder, { 'notes.csv': 'x', 'models/a.slp': 'y' });
      const answer = await lab.download([one.target, two.target]);
      expect(answer).toMatchObject({
        failure: {
          code: 'no_files',
          vms: [],
          message: expect.stringContaining('2 other files are') as string,
        },
      });
      await expect
        .poll(() => [...one.sshd.children(), ...two.sshd.children()], { timeout: 10_000 })
        .toEqual([]);
    },
    LONG_TEST_MS,
  );

  test(
    'fifty thousand small files of one machine are downloaded',
    async () => {
      await using lab = startLab();
      const { sshd, target } = await lab.machine('vm-1');
      await mkdir(join(sshd.folder, 'tiny'));
      const script =
        'import sys\nfor i in range(50000): open(f"{sys.argv[1]}/tiny/{i} file.slp", "w").write(str(i))';
      execFileSync('python3', ['-c', script, sshd.folder]);
      const { files, missing } = await lab.archive([target]);
      expect(Object.keys(files)).toHaveLength(50_000);
      expect(files['vm-1/tiny/49999 file.slp']).toBe(sha256('49999'));
      expect(missing).toBeNull();
    },
    2 * LONG_TEST_MS,
  );
});
