// What the agent does in a container: through `docker exec`, here a stand-in whose container is a folder.
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkStartHostWithin, emptyFolderWithin } from '../../src/agent/container.ts';
import { readConfig } from '../../src/agent/config.ts';

const DESKTOP = '/home/client/Desktop';
const START_HOST = '/opt/start-host';
const container = { name: 'lablink', user: 'client' };
const never = new AbortController().signal;

let home: string;
const within = (path: string) => join(home, 'rootfs', path);

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lablink-container-'));
  await mkdir(join(home, 'control'));
  const docker = join(home, 'bin/docker');
  await mkdir(dirname(docker));
  await copyFile(fileURLToPath(new URL('../infra/stand-ins/docker.sh', import.meta.url)), docker);
  await chmod(docker, 0o755);
});
afterEach(() => rm(home, { recursive: true }));

/** @param path where docker is looked for */
function running(path = `${join(home, 'bin')}:${process.env['PATH'] ?? ''}`) {
  const options = {
    startHost: ['docker', 'exec', START_HOST] as const,
    childEnvironment: { PATH: path, STAND_IN: home },
    forceSignal: never,
  };
  return { options, stopping: never };
}

test("the container's root empties the folder, without following links", async () => {
  await mkdir(within(`${DESKTOP}/a/b`), { recursive: true });
  await writeFile(within(`${DESKTOP}/a/b/c`), 'c');
  await writeFile(within('/home/client/kept'), 'kept');
  await symlink(within('/home/client'), within(`${DESKTOP}/link`));
  expect(await emptyFolderWithin(running(), container, DESKTOP)).toEqual({ removed: null, failures: [] });
  expect(await readdir(within(DESKTOP))).toEqual([]);
  expect(await readFile(within('/home/client/kept'), 'utf8')).toBe('kept');
  expect(await readFile(join(home, 'calls'), 'utf8')).toContain(
    `docker exec --user 0 lablink find ${DESKTOP} -xdev -mindepth 1 -delete\n`,
  );
});

test('in a container, a folder that does not exist counts as empty, and a folder that is a link is refused', async () => {
  expect((await emptyFolderWithin(running(), container, DESKTOP)).failures).toEqual([]);
  await mkdir(within('/home/client'), { recursive: true });
  await symlink('/etc', within(DESKTOP));
  expect((await emptyFolderWithin(running(), container, DESKTOP)).failures).toEqual([
    `${DESKTOP}: is a link`,
  ]);
});

test('a container that does not answer is neither emptied nor ready, with the reason', async () => {
  await writeFile(join(home, 'control/docker-down'), '');
  const output = 'Cannot connect to the Docker daemon.';
  expect((await emptyFolderWithin(running(), container, DESKTOP)).failures).toEqual([
    `${DESKTOP}: ${output}`,
  ]);
  expect(await checkStartHostWithin(running(), container)).toEqual({
    ok: false,
    failure: `${START_HOST} in the container lablink: ${output}. Participants cannot connect.`,
  });
  expect(await checkStartHostWithin(running('/nowhere'), container)).toMatchObject({
    failure: expect.stringContaining('docker could not be started') as string,
  });
});

test('a container is ready as soon as start-host can be run in it', async () => {
  expect(await checkStartHostWithin(running(), container)).toMatchObject({
    failure: expect.stringContaining('it does not exist, or cannot be run') as string,
  });
  await mkdir(dirname(within(START_HOST)), { recursive: true });
  await writeFile(within(START_HOST), '#!/bin/sh\n');
  await chmod(within(START_HOST), 0o755);
  expect(await checkStartHostWithin(running(), container)).toEqual({ ok: true, value: undefined });
});

test('an option of Docker is not accepted as the name of a container or a user', () => {
  const read = (name: string, user?: string) =>
    readConfig({
      ALLOCATOR_URL: 'http://127.0.0.1',
      VM_NAME: 'a',
      LABLINK_AGENT_CONTAINER: name,
      LABLINK_AGENT_CONTAINER_USER: user,
    });
  const config = read('lablink');
  expect(config.ok && config.value.container).toEqual({ name: 'lablink', user: 'client' });
  expect(read('--privileged')).toMatchObject({
    ok: false,
    failure: ['LABLINK_AGENT_CONTAINER is "--privileged", which is not the name of a container.'],
  });
  expect(read('lablink', '-u root').ok).toBe(false);
});
