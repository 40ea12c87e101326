// What the agent does in a container: through `docker exec`, here a stand-in whose container is a folder.
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { emptyFolderWithin, whyNotReadyWithin } from '../../src/agent/container.ts';
import { readSettings } from '../../src/agent/environment.ts';
import { createAgentWorld } from '../../src/agent/world.ts';

const DESKTOP = '/home/client/Desktop';
const START_HOST = '/opt/start-host';
const container = { name: 'lablink', user: 'client' };
const never = new AbortController().signal;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

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
    world: createAgentWorld(silent),
    forceSignal: never,
  };
  return { options, stopping: never };
}

test("the folder is emptied by the container's root, links are not followed, and what is outside stays", async () => {
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

test('a folder that is not there is empty; one that is a link is refused', async () => {
  expect((await emptyFolderWithin(running(), container, DESKTOP)).failures).toEqual([]);
  await mkdir(within('/home/client'), { recursive: true });
  await symlink('/etc', within(DESKTOP));
  expect((await emptyFolderWithin(running(), container, DESKTOP)).failures).toEqual([
    `${DESKTOP}: is a link`,
  ]);
});

test('a container that does not answer is neither empty nor ready, with its reason', async () => {
  await writeFile(join(home, 'control/docker-down'), '');
  const said = 'Cannot connect to the Docker daemon.';
  expect((await emptyFolderWithin(running(), container, DESKTOP)).failures).toEqual([`${DESKTOP}: ${said}`]);
  expect(await whyNotReadyWithin(running(), container)).toBe(
    `${START_HOST} in the container lablink: ${said}; participants could not be connected`,
  );
  expect(await whyNotReadyWithin(running('/nowhere'), container)).toContain('docker could not be started');
});

test('it is ready as soon as start-host can be run in the container', async () => {
  expect(await whyNotReadyWithin(running(), container)).toContain('it is not there, or cannot be run');
  await mkdir(dirname(within(START_HOST)), { recursive: true });
  await writeFile(within(START_HOST), '#!/bin/sh\n');
  await chmod(within(START_HOST), 0o755);
  expect(await whyNotReadyWithin(running(), container)).toBeNull();
});

test('what Docker would take for an option is no name of a container or a user', () => {
  const read = (name: string, user?: string) =>
    readSettings({
      ALLOCATOR_URL: 'http://127.0.0.1',
      VM_NAME: 'a',
      LABLINK_AGENT_CONTAINER: name,
      LABLINK_AGENT_CONTAINER_USER: user,
    });
  const settings = read('lablink');
  expect(settings.ok && settings.settings.container).toEqual({ name: 'lablink', user: 'client' });
  expect(read('--privileged')).toMatchObject({
    ok: false,
    faults: [`LABLINK_AGENT_CONTAINER is "--privileged", which is no container's name.`],
  });
  expect(read('lablink', '-u root').ok).toBe(false);
});
