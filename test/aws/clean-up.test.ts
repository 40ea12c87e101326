// The clean-up of shared resources outside the state, with scripted answers of AWS: no emulator denies permissions.
import { describe, expect, test } from 'vitest';
import { CloudError } from '../../src/provision/aws/cloud-error.ts';
import type { CloudMachine } from '../../src/provision/aws/cloud.ts';
import type { EngineRun } from '../../src/provision/aws/engine-run.ts';
import { cleanUpSharedResources } from '../../src/provision/aws/shared-resources/clean-up.ts';
import type { SharedResource } from '../../src/provision/aws/shared-resources/kinds.ts';

const role: SharedResource = { type: 'aws:iam/role:Role', id: 'lab-machine', label: 'role', hasLogs: false };
const group: SharedResource = {
  type: 'aws:ec2/securityGroup:SecurityGroup',
  id: 'sg-1',
  label: 'security group',
  hasLogs: false,
};
const logs: SharedResource = {
  type: 'aws:cloudwatch/logGroup:LogGroup',
  id: '/lablink/lab',
  label: 'log group',
  hasLogs: true,
};
const NOTHING = { machines: [], others: [], pending: [] };
const DENIED = new CloudError(
  { code: 'credentials', message: 'The AWS credentials do not allow this.', remedy: 'Add the permission.' },
  'AccessDenied',
);

type Script = {
  readonly resources: readonly SharedResource[];
  readonly problems?: readonly string[];
  readonly machines?: readonly Pick<CloudMachine, 'instanceId' | 'state'>[];
  /** By id: the error of its deletion. */
  readonly errors?: Readonly<Record<string, Error>>;
};

function prepare({ resources, problems = [], machines = [], errors = {} }: Script, keepLogs = false) {
  const removed: string[] = [];
  const events: string[] = [];
  const context = {
    records: () => Promise.resolve({ rows: [], operations: new Map() }),
    recentMachines: { list: () => [] },
    limits: { listDelayMs: 0 },
    now: () => new Date(),
    sharedResources: () => ({
      list: () => Promise.resolve({ resources, problems }),
      remove: ({ id }: SharedResource) => {
        const error = errors[id];
        if (error) return Promise.reject(error);
        removed.push(id);
        return Promise.resolve();
      },
    }),
  };
  const run = {
    context,
    region: 'us-east-1',
    cloud: { listMachines: () => Promise.resolve(machines) },
    killSignal: new AbortController().signal,
    emit: ({ text }: { text: string }) => events.push(text),
  } as unknown as EngineRun;
  return {
    removed,
    events,
    cleanUp: (known: Parameters<typeof cleanUpSharedResources>[1] = NOTHING) =>
      cleanUpSharedResources(run, known, { keepLogs }),
  };
}

describe('shared resources outside the state', () => {
  test('resources outside the state are deleted and reported, and those of the state are kept', async () => {
    const { cleanUp, removed, events } = prepare({ resources: [role, group] });
    const result = await cleanUp({ ...NOTHING, others: [{ type: group.type, id: group.id }] });
    expect(result).toEqual({ removed: [role], remaining: [], problems: [] });
    expect(removed).toEqual([role.id]);
    expect(events).toEqual([
      'An interrupted run left the role lab-machine, which is missing from the Pulumi state. It was deleted.',
    ]);
  });

  test('a resource of the state with the same id but another type does not protect a resource', async () => {
    const { cleanUp, removed } = prepare({ resources: [role] });
    await cleanUp({
      ...NOTHING,
      others: [{ type: 'aws:iam/instanceProfile:InstanceProfile', id: role.id }],
    });
    expect(removed).toEqual([role.id]);
  });

  test('a resource that cannot be deleted is reported with the remedy, and the others are deleted', async () => {
    const { cleanUp, removed, events } = prepare({ resources: [role, group], errors: { [role.id]: DENIED } });
    expect(await cleanUp()).toEqual({ removed: [group], remaining: [role], problems: [] });
    expect(removed).toEqual([group.id]);
    expect(events[0]).toContain(
      'It could not be deleted. The AWS credentials do not allow this. Add the permission.',
    );
  });

  test('resources that cannot be listed are a problem in the result, not a failure', async () => {
    const problem = 'The AWS credentials do not allow this. (While listing our roles: AccessDenied.)';
    const { cleanUp } = prepare({ resources: [], problems: [problem] });
    expect(await cleanUp()).toEqual({ removed: [], remaining: [], problems: [problem] });
  });

  test('resources are kept while a machine outside the state runs, unless it is terminating', async () => {
    const running = prepare({ resources: [role], machines: [{ instanceId: 'i-1', state: 'running' }] });
    expect((await running.cleanUp()).remaining).toEqual([role]);
    expect(running.removed).toEqual([]);
    const terminating = prepare({
      resources: [role],
      machines: [{ instanceId: 'i-1', state: 'shutting-down' }],
    });
    expect((await terminating.cleanUp()).removed).toEqual([role]);
    const known = prepare({ resources: [role], machines: [{ instanceId: 'i-1', state: 'running' }] });
    const state = { ...NOTHING, machines: [{ hostname: 'vm-1', instanceId: 'i-1' }] };
    expect((await known.cleanUp(state)).removed).toEqual([role]);
  });

  test('a log group with logs is kept if logs are to be kept', async () => {
    const kept = prepare({ resources: [logs, role] }, true);
    expect(await kept.cleanUp()).toEqual({ removed: [role], remaining: [logs], problems: [] });
    expect((await prepare({ resources: [logs] }).cleanUp()).removed).toEqual([logs]);
  });

  test('an unexpected error of a clean-up is thrown', async () => {
    const { cleanUp } = prepare({ resources: [role], errors: { [role.id]: new TypeError('a bug') } });
    await expect(cleanUp()).rejects.toThrow('a bug');
  });
});
