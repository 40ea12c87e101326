// The first start of a restored allocator: machines that were made since the backup are found, those that are gone are not waited for,
// and nothing that the backup does not know well is destroyed; all before anything is served.
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

test('a restored allocator knows which machines exist before it serves anything', async () => {
  const provider = createScriptedProvider();
  const folder = await temporaryFolder();
  const dataDir = await temporaryFolder();
  await using empty = await createTestDatabase('empty');
  let existing: string[];
  let gone: string | undefined;
  {
    await using old = await startTestServer(LOCAL, { provider });
    await launch(old, 3);
    await untilIdle(old);
    // In the backup it is under way and has created nothing; afterwards it succeeds.
    provider.script.holdAfter = 0;
    await launch(old, 2);
    await expect.poll(() => hostnames(old), { timeout: 10_000 }).toHaveLength(5);
    const { address } = await backUp(sourceOf(old.database, old.dataDir), folder);
    provider.release();
    await untilIdle(old);
    // The backup knows nothing of these two.
    await launch(old, 2);
    await untilIdle(old);
    [gone] = await hostnames(old);
    provider.machines.delete(gone ?? '');
    existing = [...provider.machines.keys()].sort();
    expect(existing).toHaveLength(6);
    expect(await restoreInto({ database: empty, dataDir }, address)).toMatchObject({ ok: true });
  }
  const env = { ...LOCAL, DATA_DIR: dataDir };
  provider.script.listFails = true;
  await expect(startTestServer(env, { provider }, empty)).rejects.toThrow(
    /must be compared with the machines that exist.*the provider does not answer/,
  );
  provider.script.listFails = false;
  // The server listens before it starts the provider.
  let whenListening: string[] = [];
  const watched = {
    ...provider,
    start: async () => {
      whenListening = await hostnames(empty);
    },
  };
  await using restored = await startTestServer(env, { provider: watched }, empty);
  expect(whenListening).not.toContain(gone);
  expect(whenListening).toHaveLength(4);
  expect([...provider.machines.keys()].sort()).toEqual(existing);
  const { data: orphans } = await restored.admin.GET('/api/v1/orphans', {
    params: { query: { refresh: true } },
  });
  const found = orphans?.items.map(({ hostname }) => hostname ?? '') ?? [];
  expect([...found, ...whenListening].sort()).toEqual(existing);
  const { data: operations } = await restored.admin.GET('/api/v1/operations');
  expect(operations?.items.map(({ status }) => status).sort()).toEqual(['interrupted', 'succeeded']);
  // The next launch takes none of their names.
  await launch(restored, 1);
  await untilIdle(restored);
  expect(provider.machines.size).toBe(7);
});
