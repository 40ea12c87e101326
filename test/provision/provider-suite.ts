// What every provider must do, whatever its machines are. A provider is opened through its definition, as the server opens it.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProviderDefinition } from '../../src/provision/definition.ts';
import type {
  CreatedVm,
  ListedVm,
  OpenProvider,
  ProvisionReport,
  ProvisionResult,
} from '../../src/provision/provider.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { record } from '../support/recorded-report.ts';

/** What a test of a provider prepares, such as a folder or a cloud. */
export type ProviderLab = AsyncDisposable & {
  /** Opens the provider, as a server does at each start: always on the same folder and cloud. */
  readonly open: (database: TestDatabase) => Promise<OpenProvider>;
  /** For ending a launch by force in the middle; absent if creating a machine takes no time. */
  readonly slow?: {
    /** From here on, no machine is finished before `release`. */
    readonly hold?: () => void;
    readonly release?: () => void;
    /** Waits until a launch has begun to create this machine. */
    readonly begun: (hostname: string) => Promise<void>;
  };
};

const NEVER = new AbortController().signal;
/** A forced run must end by itself in this time. */
const FORCED_WITHIN_MS = 60_000;

const hostnamesOf = (vms: readonly ListedVm[]): string[] => vms.map(({ hostname }) => hostname).sort();

export function testProvider(
  definition: ProviderDefinition,
  openLab: () => Promise<ProviderLab>,
  { timeout = 60_000 }: { readonly timeout?: number } = {},
): void {
  describe(`the provider ${definition.name}`, { timeout }, () => {
    let lab: ProviderLab;
    let database: TestDatabase;
    let provider: OpenProvider;
    let isStarted = false;

    const open = async (): Promise<void> => {
      provider = await lab.open(database);
      await provider.start();
      isStarted = true;
    };
    const close = async (): Promise<void> => {
      isStarted = false;
      await provider.stop();
    };
    beforeAll(async () => {
      lab = await openLab();
      database = await createTestDatabase();
      await open();
    }, timeout);
    afterAll(async () => {
      if (isStarted) await close();
      await lab[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    }, timeout);

    async function launch(
      names: readonly string[],
      report: ProvisionReport,
      { signal = NEVER, force = NEVER, ended = 'succeeded' } = {},
    ): Promise<ProvisionResult> {
      const operationId = randomUUID();
      // As the server does: a provider may ask which launches and machines are ours.
      await database.db
        .insertInto('operations')
        .values({
          id: operationId,
          kind: 'launch',
          status: ended,
          requested_by: 'suite',
          ended_at: new Date(),
          num_vms: names.length,
        })
        .execute();
      const vms = names.map((hostname) => ({ hostname, token: tokenOf(hostname) }));
      const created = async (hostname: string, vm: CreatedVm): Promise<void> => {
        const row = {
          hostname,
          provider: definition.name,
          operation_id: operationId,
          status: 'initializing',
        };
        await database.db
          .insertInto('vms')
          .values({ ...row, provider_id: vm.id ?? null })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
        await report.created(hostname, vm);
      };
      return provider.launch({ operationId, shutdownAt: null, vms }, { ...report, created }, signal, force);
    }
    const tokenOf = (hostname: string): string => `token-of-${hostname}`;
    const destroy = (
      names: readonly string[] | 'all',
      report: ProvisionReport = record(),
    ): Promise<ProvisionResult> => {
      const rows = database.db.deleteFrom('vms');
      const gone = (hostname: string) =>
        rows
          .where('hostname', '=', hostname)
          .execute()
          .then(() => report.gone(hostname));
      return provider.destroy(names, { ...report, gone }, NEVER, NEVER);
    };
    const listed = async (): Promise<string[]> => hostnamesOf(await provider.list());
    /** As after every interrupted run. */
    const repair = async (): Promise<void> => {
      if (provider.repair) expect(await provider.repair(record(), NEVER)).toEqual({ ok: true });
    };

    test('it can do what its definition promises', () => {
      expect(definition.name).toMatch(/^[a-z][a-z0-9-]*$/);
      expect(definition.proof).toMatch(/\.$/);
      // What bills must tell a price, and its machines must shut themselves down.
      if (definition.bills)
        expect(provider).toMatchObject({
          plan: expect.any(Function) as unknown,
          rescheduleShutdown: expect.any(Function) as unknown,
          graceMinutes: expect.any(Number) as unknown,
        });
    });

    test('nothing is listed before the first launch, and destroying all machines then succeeds', async () => {
      expect(await listed()).toEqual([]);
      expect(await destroy('all')).toEqual({ ok: true });
      expect(await listed()).toEqual([]);
    });

    test('machines that do not exist are reported as gone, and destroying them succeeds', async () => {
      const report = record();
      expect(await destroy(['vm-never'], report)).toEqual({ ok: true });
      if (definition.creates) expect(report.ended).toEqual(['vm-never']);
      expect(await listed()).toEqual([]);
    });

    if (!definition.creates) {
      test('a launch is refused with a remedy, before it is accepted and when it runs, and creates nothing', async () => {
        const report = record();
        for (const refused of [await provider.readiness(), await launch(['vm-1'], report)])
          expect(refused).toMatchObject({
            ok: false,
            failure: {
              message: expect.stringMatching(/\w/) as string,
              remedy: expect.stringMatching(/\w/) as string,
            },
          });
        expect(report.createdVms.size).toBe(0);
        expect(await listed()).toEqual([]);
      });

      test('it can be stopped and started again', async () => {
        await close();
        await open();
        expect(await listed()).toEqual([]);
      });
      return;
    }

    test('it is ready once it is started', async () => {
      expect(await provider.readiness()).toEqual({ ok: true });
    });

    test('a launch reports and lists each machine once, with its launch and how to connect, and tells no token', async () => {
      const report = record();
      expect(await launch(['vm-1', 'vm-2'], report), report.texts.join('\n')).toEqual({ ok: true });
      expect([...report.createdVms.keys()].sort()).toEqual(['vm-1', 'vm-2']);
      expect(report.failures).toEqual(new Map());
      const machines = await provider.list();
      expect(hostnamesOf(machines)).toEqual(['vm-1', 'vm-2']);
      expect(new Set(machines.map(({ operationId }) => operationId)).size).toBe(1);
      for (const { hostname, operationId, id, ssh } of machines) {
        const reported = report.createdVms.get(hostname);
        expect(operationId).toEqual(expect.any(String));
        expect(reported?.address).toEqual(expect.any(String));
        expect(reported?.provisioningSeconds).toBeGreaterThanOrEqual(0);
        expect({ id, address: ssh?.address, port: ssh?.sshPort }).toEqual({
          id: reported?.id,
          address: reported?.address,
          port: reported?.sshPort,
        });
      }
      expect(report.texts.join('\n')).not.toContain(tokenOf('vm-'));
    });

    test('a launch of an existing name keeps that machine, reports it as created, and creates only the others', async () => {
      const before = (await provider.list()).find(({ hostname }) => hostname === 'vm-1');
      const report = record();
      expect(await launch(['vm-1', 'vm-3'], report), report.texts.join('\n')).toEqual({ ok: true });
      expect([...report.createdVms.keys()].sort()).toEqual(['vm-1', 'vm-3']);
      expect(await listed()).toEqual(['vm-1', 'vm-2', 'vm-3']);
      const after = (await provider.list()).find(({ hostname }) => hostname === 'vm-1');
      expect({ id: after?.id, ssh: after?.ssh }).toEqual({ id: before?.id, ssh: before?.ssh });
    });

    test('the machines are there again after a stop and a start', async () => {
      const before = await provider.list();
      await close();
      await open();
      const after = await provider.list();
      expect(hostnamesOf(after)).toEqual(hostnamesOf(before));
      expect(new Set(after.map(({ id }) => id))).toEqual(new Set(before.map(({ id }) => id)));
    });

    test('where it can restart a machine, the machine stays, and an unknown one is refused', async () => {
      if (!provider.restart) return;
      const before = (await provider.list()).find(({ hostname }) => hostname === 'vm-1');
      expect(await provider.restart('vm-1', NEVER)).toEqual({ ok: true });
      expect(await listed()).toEqual(['vm-1', 'vm-2', 'vm-3']);
      expect((await provider.list()).find(({ hostname }) => hostname === 'vm-1')?.id).toBe(before?.id);
      expect(await provider.restart('vm-never', NEVER)).toMatchObject({ ok: false });
      expect(await listed()).toEqual(['vm-1', 'vm-2', 'vm-3']);
    });

    test('where machines shut themselves down, a new time has an answer for each of them', async () => {
      if (!provider.rescheduleShutdown) return;
      const times = await provider.rescheduleShutdown(
        ['vm-1', 'vm-2'],
        new Date(Date.now() + 3_600_000),
        NEVER,
      );
      expect(times.map(({ hostname }) => hostname).sort()).toEqual(['vm-1', 'vm-2']);
    });

    test('where machines have ids, they are terminated by them, and others stay', async () => {
      if (!provider.terminate) return;
      const victim = (await provider.list()).find(({ hostname }) => hostname === 'vm-3');
      expect(victim?.id).toEqual(expect.any(String));
      expect(await provider.terminate([victim?.id ?? ''], NEVER)).toEqual({ ok: true });
      expect(await listed()).toEqual(['vm-1', 'vm-2']);
    });

    test('destroying some machines reports each as gone, and keeps the others', async () => {
      const report = record();
      expect(await destroy(['vm-2', 'vm-3'], report), report.texts.join('\n')).toEqual({ ok: true });
      expect([...new Set(report.ended)].sort()).toEqual(['vm-2', 'vm-3']);
      expect(report.keptVms).toEqual(new Map());
      expect(await listed()).toEqual(['vm-1']);
    });

    test('a launch that is cancelled before it begins creates nothing and says that it was cancelled', async () => {
      const report = record();
      const result = await launch(['vm-4'], report, { signal: AbortSignal.abort(), ended: 'cancelled' });
      expect(result).toMatchObject({ ok: false, failure: { code: 'cancelled' } });
      expect(report.createdVms.size).toBe(0);
      await repair();
      expect(await listed()).toEqual(['vm-1']);
    });

    test('a launch that is cancelled in the middle leaves exactly the machines that it has reported', async () => {
      const asked = new AbortController();
      const report = record(() => asked.abort());
      const names = ['vm-5', 'vm-6', 'vm-7'];
      const result = await launch(names, report, { signal: asked.signal, ended: 'cancelled' });
      if (report.createdVms.size < names.length)
        expect(result).toMatchObject({ ok: false, failure: { code: 'cancelled' } });
      await repair();
      expect(await listed()).toEqual(['vm-1', ...[...report.createdVms.keys()].sort()]);
      for (const hostname of report.failures.keys()) expect(await listed()).not.toContain(hostname);
      expect(await destroy(names)).toEqual({ ok: true });
      expect(await listed()).toEqual(['vm-1']);
    });

    test('a launch that is forced to end ends at once, and after the repair nothing half-created is left', async () => {
      const { slow } = lab;
      if (!slow) return;
      const [asked, forced] = [new AbortController(), new AbortController()];
      const report = record();
      slow.hold?.();
      try {
        const launching = launch(['vm-8'], report, {
          signal: asked.signal,
          force: forced.signal,
          ended: 'cancelled',
        });
        await slow.begun('vm-8');
        asked.abort();
        forced.abort();
        const startedAt = performance.now();
        expect(await launching).toMatchObject({ ok: false });
        expect(performance.now() - startedAt).toBeLessThan(FORCED_WITHIN_MS);
      } finally {
        slow.release?.();
      }
      await repair();
      expect(await listed()).toEqual(['vm-1', ...report.createdVms.keys()].sort());
    });

    test('destroying all machines reports each as gone and leaves nothing, and can be repeated', async () => {
      const before = await listed();
      expect(before).toContain('vm-1');
      const report = record();
      expect(await destroy('all', report), report.texts.join('\n')).toEqual({ ok: true });
      expect([...new Set(report.ended)].sort()).toEqual(before);
      expect(await listed()).toEqual([]);
      expect(await destroy('all')).toEqual({ ok: true });
    });
  });
}
