import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { waitForFileLock } from '../../src/db/embedded/file-lock.ts';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import {
  ask,
  preparedData,
  refusal,
  serverPid,
  startChild,
  startWell,
  temporaryFolder,
  type Child,
} from '../support/embedded.ts';
import { postgresIn } from '../support/leftovers.ts';

async function ready(child: Child): Promise<string> {
  const line = await child.next();
  if (line.ready === undefined) throw new Error(`Not ready: ${JSON.stringify(line)}`);
  return line.ready.connectionString;
}

describe('two allocators that start at once', () => {
  test.each([
    ['an empty folder', async () => join(await temporaryFolder(), 'data')],
    ['a folder with a database', preparedData],
    ['a folder whose allocator and Postgres were killed', killedData],
  ])(
    'of two allocators that start at once on %s one gets it, and the other names it',
    async (_what, makeFolder) => {
      const dataDir = await makeFolder();
      const children = [startChild(dataDir), startChild(dataDir)];
      const lines = await Promise.all(children.map((child) => child.next()));
      const winner = children[lines.findIndex(({ ready }) => ready !== undefined)];
      const [url] = lines.flatMap((line) => line.ready?.connectionString ?? []);
      const [problem] = lines.flatMap((line) => line.refused ?? []);
      if (winner === undefined || url === undefined) throw new Error('Nobody got it.');
      expect(problem?.message).toMatch(
        new RegExp(
          `^Another allocator \\(process ${winner.pid} on .+, since 20.+Z\\) is using the data folder ${dataDir}\\.$`,
        ),
      );
      expect(problem?.remedy).toContain('DATA_DIR and PORT');
      // The loser is gone; the winner's server is not.
      expect(await ask(url, 'select 1 as n')).toEqual([{ n: 1 }]);
      expect(postgresIn(dataDir)).toHaveLength(1);
      expect((await readdir(dataDir)).filter((name) => name.includes('new'))).toEqual([]);
    },
  );
});

async function killedData(): Promise<string> {
  const dataDir = await preparedData();
  const child = startChild(dataDir);
  await ready(child);
  child.kill('SIGKILL');
  process.kill(await serverPid(dataDir), 'SIGKILL');
  await child.exited;
  return dataDir;
}

describe('an allocator', () => {
  test('an allocator has its database until it has finished, although Ctrl-C reaches its whole process group', async () => {
    const dataDir = await preparedData();
    const child = startChild(dataDir);
    await ready(child);
    child.interrupt();
    expect(await child.next()).toEqual({ signal: 'SIGINT', answer: 42 });
    await child.exited;
    expect(postgresIn(dataDir)).toEqual([]);
  });

  test('an allocator that is killed leaves its server to the next one, which ends it', async () => {
    const dataDir = await preparedData();
    const killed = startChild(dataDir);
    const url = await ready(killed);
    await ask(url, 'create table kept as select 7 as n');
    const server = await serverPid(dataDir);
    killed.kill('SIGKILL');
    await killed.exited;

    const next = startChild(dataDir);
    const { ready: adopted } = await next.next();
    expect(adopted).toMatchObject({ connectionString: url, adopted: true });
    expect(adopted?.notes).toEqual([expect.stringContaining(`running already (process ${server})`)]);
    expect(await ask(url, 'select n from kept')).toEqual([{ n: 7 }]);
    next.kill('SIGTERM');
    await next.exited;
    expect(postgresIn(dataDir)).toEqual([]);
  });

  test('an allocator that is killed during its first start does not harm the next one', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    await mkdir(dataDir, { mode: 0o711 });
    const killed = startChild(dataDir);
    await expect
      .poll(() => readdir(dataDir), { interval: 5, timeout: 15_000 })
      .toContainEqual(expect.stringMatching(/new-/));
    killed.kill('SIGKILL');
    await killed.exited;
    expect(await readdir(dataDir)).not.toContain('postgres');
    const { connectionString } = await startWell(dataDir);
    expect(await ask(connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test('an allocator that starts while another one is stopping starts its own server', async () => {
    const dataDir = await preparedData();
    const first = startChild(dataDir);
    await ready(first);
    first.kill('SIGTERM');
    await expect.poll(() => postgresIn(dataDir), { interval: 10, timeout: 15_000 }).toEqual([]);
    const second = startChild(dataDir);
    const url = await ready(second);
    await first.exited;
    expect(await ask(url, 'select 1 as n')).toEqual([{ n: 1 }]);
  });
});

test('a data folder that is used in another container is refused', async () => {
  const dataDir = await preparedData();
  const held = await waitForFileLock(pathsIn(dataDir).ownerLock, undefined, 0);
  if (!held.ok || held.value === undefined) throw new Error('The lock is not free.');
  const lock = held.value;
  onTestFinished(() => lock.release());
  expect(await refusal(dataDir)).toContain(`Another allocator is using the data folder ${dataDir}`);
});
