// A backup that was made in the middle of a launch, in the restored allocator: nothing that the backup does not know well is destroyed.
// test/process/backup.test.ts has machines that were created or destroyed after the backup.
import { expect, test } from 'vitest';
import { asForm } from '../../src/client/client.ts';
import { backUp, restoreInto, sourceOf, temporaryFolder } from '../support/backups.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { createScriptedProvider } from '../doubles/scripted-provider.ts';

const LOCAL = { PROVIDER: 'local' };

async function launch({ admin }: TestServer, count: number): Promise<void> {
  await admin.POST('/api/launch', { ...asForm, body: { num_vms: count } });
}

async function hostnames({ db }: Pick<TestServer, 'db'>): Promise<string[]> {
  const rows = await db.selectFrom('vms').select('hostname').execute();
  return rows.map(({ hostname }) => hostname).sort();
}

async function untilIdle({ db }: TestServer): Promise<void> {
  const running = db.selectFrom('operations').select('id').where('ended_at', 'is', null);
  await expect.poll(() => running.execute(), { timeout: 10_000 }).toEqual([]);
}

test('a launch that was under way in the backup is interrupted, and its machines stay and keep their names', async () => {
  const provider = createScriptedProvider();
  const folder = await temporaryFolder();
  const dataDir = await temporaryFolder();
  await using empty = await createTestDatabase('empty');
  {
    await using old = await startTestServer(LOCAL, { provider });
    await launch(old, 3);
    await untilIdle(old);
    // In the backup it has created nothing; afterwards it succeeds.
    provider.script.holdAfter = 0;
    await launch(old, 2);
    await expect.poll(() => hostnames(old), { timeout: 10_000 }).toHaveLength(5);
    const { address } = await backUp(sourceOf(old.database, old.dataDir), folder);
    provider.release();
    await untilIdle(old);
    expect(await restoreInto({ database: empty, dataDir }, address)).toMatchObject({ ok: true });
  }
  // The server listens before it starts the provider.
  let whenListening: string[] = [];
  const watched = {
    ...provider,
    start: async () => {
      whenListening = await hostnames(empty);
    },
  };
  await using restored = await startTestServer({ ...LOCAL, DATA_DIR: dataDir }, { provider: watched }, empty);
  expect(whenListening).toHaveLength(5);
  expect([...provider.machines.keys()].sort()).toEqual(whenListening);
  const { data: operations } = await restored.admin.GET('/api/v1/operations');
  expect(operations?.items.map(({ status }) => status).sort()).toEqual(['interrupted', 'succeeded']);
  // The next launch takes none of their names.
  await launch(restored, 1);
  await untilIdle(restored);
  expect(provider.machines.size).toBe(6);
});
