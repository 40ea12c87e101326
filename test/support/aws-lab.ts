// An allocator with machines on AWS: Pulumi (the double or the real one, LABLINK_TEST_ENGINE), the double of the AWS plugin, and
// moto. Tests compare what moto, the Pulumi state and the server list.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { z } from 'zod';
import type { components } from '../../src/contract/openapi.gen.ts';
import { configText, serverEnv } from './aws-config.ts';
import type { TestCloud } from './cloud.ts';
import { testEngine } from './engine.ts';
import { shortIntervals } from './operations.ts';
import { startTestServer, type ServerParts, type TestServer } from './server.ts';
import { asForm } from '../../src/client/client.ts';

export type Operation = components['schemas']['Operation'];

/** Generous, because other tests may run at the same time. */
export const AWS_WAIT = { timeout: 120_000, interval: 150 };

export type AwsLab = AsyncDisposable & {
  readonly server: TestServer;
  readonly launch: (numVms: number) => Promise<Operation>;
  readonly destroy: () => Promise<Operation>;
  /** Returns the operation as it was accepted. */
  readonly beginLaunch: (numVms: number) => Promise<Operation>;
  readonly beginDestroy: () => Promise<Operation>;
  readonly ended: (id: string) => Promise<Operation>;
  readonly find: (id: string) => Promise<Operation>;
  readonly cancel: (id: string) => Promise<unknown>;
  readonly output: (id: string) => Promise<string[]>;
  readonly rows: () => Promise<string[]>;
  /** Hostnames in moto, without terminating machines. */
  readonly machines: () => Promise<string[]>;
  /** Hostnames in the Pulumi state. */
  readonly inState: () => Promise<string[]>;
  /** Expects that AWS, state and rows list the same machines, and returns their hostnames. */
  readonly agree: () => Promise<string[]>;
};

/** Runs of Pulumi take seconds: to look every 20 ms would only take processor time. */
const INTERVALS = {
  ...shortIntervals,
  renewMs: 200,
  flushMs: 50,
  recoverMs: 200,
  shutdownsMs: 500,
  forceAfterMs: 60_000,
  abandonAfterMs: 30_000,
};

const SHORT_AWS = {
  listDelayMs: 3_000,
  orphanedEngineMs: 20_000,
  earlierSessionsMs: 20_000,
  retryPauseMs: 100,
};

export async function startAwsLab(
  cloud: TestCloud,
  options: {
    readonly machine?: Readonly<Record<string, unknown>>;
    readonly env?: Readonly<Record<string, string>>;
    readonly parts?: ServerParts;
    readonly processEnv?: Readonly<Record<string, string | undefined>>;
  } = {},
): Promise<AwsLab> {
  const engine = testEngine();
  const given = { ...process.env, ...cloud.env, ...engine.env, ...options.processEnv };
  for (const [name, value] of Object.entries(given)) vi.stubEnv(name, value);
  const server = await startTestServer(
    { ...serverEnv(), ...options.env },
    {
      operationIntervals: INTERVALS,
      providerLimits: SHORT_AWS,
      configFile: configText(cloud, options.machine),
      processEnv: given,
      ...options.parts,
    },
  );
  return labOn(cloud, server);
}

function labOn(cloud: TestCloud, server: TestServer): AwsLab {
  const find = async (id: string): Promise<Operation> => {
    const { data } = await server.admin.GET('/api/v1/operations/{id}', { params: { path: { id } } });
    if (!data) throw new Error(`there is no operation ${id}`);
    return data;
  };
  const ended = (id: string): Promise<Operation> =>
    vi.waitFor(async () => {
      const operation = await find(id);
      expect(['queued', 'running']).not.toContain(operation.status);
      return operation;
    }, AWS_WAIT);
  const begin = async (path: '/api/launch' | '/destroy', numVms: number): Promise<Operation> => {
    const { data, error, response } =
      path === '/destroy'
        ? await server.admin.POST('/destroy', {})
        : await server.admin.POST('/api/launch', { body: { num_vms: numVms }, ...asForm });
    if (response.status !== 202)
      throw new Error(`${path} answered ${response.status}: ${JSON.stringify(error ?? data)}`);
    return data as Operation;
  };
  const machines = async () => {
    const all = await cloud.machines();
    return all
      .filter(({ state }) => state !== 'shutting-down')
      .map(({ tags }) => tags['lablink:hostname'] ?? '?')
      .sort();
  };
  const rows = async () => Object.keys((await server.admin.GET('/api/vm-status')).data ?? {}).sort();
  const inState = () => readStateNames(server.dataDir);
  return {
    server,
    find,
    ended,
    beginLaunch: (numVms) => begin('/api/launch', numVms),
    beginDestroy: () => begin('/destroy', 0),
    launch: async (numVms) => ended((await begin('/api/launch', numVms)).id),
    destroy: async () => ended((await begin('/destroy', 0)).id),
    cancel: (id) => server.admin.POST('/api/v1/operations/{id}/cancel', { params: { path: { id } } }),
    output: async (id) => {
      const found = await server.db
        .selectFrom('operation_events')
        .select(['hostname', 'level', 'text'])
        .where('operation_id', '=', id)
        .orderBy('id')
        .execute();
      return found.map(({ hostname, level, text }) => `${level} ${hostname ?? '-'} ${text}`);
    },
    rows,
    machines,
    inState,
    agree: async () => {
      const there = await machines();
      expect({ rows: await rows(), state: await inState() }).toEqual({ rows: there, state: there });
      return there;
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      vi.unstubAllEnvs();
    },
  };
}

const stateFile = z.object({
  checkpoint: z.object({
    latest: z
      .object({
        resources: z.array(z.object({ urn: z.string(), type: z.string() })).nullish(),
        pending_operations: z.array(z.unknown()).nullish(),
      })
      .nullish(),
  }),
});

/** Hostnames of the instances in Pulumi's state file. */
export async function readStateNames(dataDir: string): Promise<string[]> {
  const file = join(dataDir, 'aws/state/.pulumi/stacks/lablink-lab/test.json');
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return [];
  const { latest } = stateFile.parse(JSON.parse(text)).checkpoint;
  expect(latest?.pending_operations ?? []).toEqual([]);
  return (latest?.resources ?? [])
    .filter(({ type }) => type === 'aws:ec2/instance:Instance')
    .map(({ urn }) => urn.slice(urn.lastIndexOf('::') + 2))
    .sort();
}
