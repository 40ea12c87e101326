// What becomes of shared parts that no state knows, where AWS does not answer as one would wish. On scripted answers: no
// emulator refuses by policy.
import { describe, expect, test } from 'vitest';
import { CloudError } from '../../src/provision/aws/cloud-error.ts';
import type { CloudMachine } from '../../src/provision/aws/cloud.ts';
import type { CloudPart } from '../../src/provision/aws/parts/part.ts';
import { sweepParts } from '../../src/provision/aws/sweep.ts';
import type { Work } from '../../src/provision/aws/work.ts';

const role: CloudPart = { type: 'aws:iam/role:Role', id: 'lab-machine', what: 'role', holdsLogs: false };
const group: CloudPart = {
  type: 'aws:ec2/securityGroup:SecurityGroup',
  id: 'sg-1',
  what: 'security group',
  holdsLogs: false,
};
const logs: CloudPart = {
  type: 'aws:cloudwatch/logGroup:LogGroup',
  id: '/lablink/lab',
  what: 'log group',
  holdsLogs: true,
};
const NOTHING = { machines: [], others: [] };
const DENIED = new CloudError(
  { kind: 'credentials', problem: 'The AWS credentials may not do this.', remedy: 'Add the permission.' },
  'AccessDenied',
);

type Script = {
  readonly parts: readonly CloudPart[];
  readonly problems?: readonly string[];
  readonly machines?: readonly Pick<CloudMachine, 'instanceId' | 'state'>[];
  /** By id: what removing it throws. */
  readonly refused?: Readonly<Record<string, Error>>;
};

function sweepOn({ parts, problems = [], machines = [], refused = {} }: Script, keepLogs = false) {
  const removed: string[] = [];
  const told: string[] = [];
  const site = {
    parts: () => ({
      list: () => Promise.resolve({ parts, problems }),
      remove: ({ id }: CloudPart) => {
        const error = refused[id];
        if (error) return Promise.reject(error);
        removed.push(id);
        return Promise.resolve();
      },
    }),
  };
  const work = {
    site,
    settings: { region: 'us-east-1' },
    cloud: { listMachines: () => Promise.resolve(machines) },
    forced: new AbortController().signal,
    tell: ({ text }: { text: string }) => told.push(text),
  } as unknown as Work;
  return {
    removed,
    told,
    run: (known: Parameters<typeof sweepParts>[1] = NOTHING) => sweepParts(work, known, { keepLogs }),
  };
}

describe('shared parts that no state knows', () => {
  test('are removed and told, those that the state knows stay', async () => {
    const { run, removed, told } = sweepOn({ parts: [role, group] });
    const swept = await run({ machines: [], others: [{ type: group.type, id: group.id }] });
    expect(swept).toEqual({ removed: [role], left: [], problems: [] });
    expect(removed).toEqual([role.id]);
    expect(told).toEqual([
      'The role lab-machine is left of an interrupted run, and no state knows it: it was removed.',
    ]);
  });

  test('are known by type and id, not by id alone', async () => {
    const { run, removed } = sweepOn({ parts: [role] });
    await run({ machines: [], others: [{ type: 'aws:iam/instanceProfile:InstanceProfile', id: role.id }] });
    expect(removed).toEqual([role.id]);
  });

  test('that may not be removed are told with the remedy, and do not keep the others', async () => {
    const { run, removed, told } = sweepOn({ parts: [role, group], refused: { [role.id]: DENIED } });
    expect(await run()).toEqual({ removed: [group], left: [role], problems: [] });
    expect(removed).toEqual([group.id]);
    expect(told[0]).toContain(
      'could not be removed. The AWS credentials may not do this. Add the permission.',
    );
  });

  test('that could not be asked for are a problem of the answer, not of the run', async () => {
    const problem = 'The AWS credentials may not do this. (While looking for our roles: AccessDenied.)';
    const { run } = sweepOn({ parts: [], problems: [problem] });
    expect(await run()).toEqual({ removed: [], left: [], problems: [problem] });
  });

  test('stay while a machine lives that no state knows; one that is ending does not count', async () => {
    const living = sweepOn({ parts: [role], machines: [{ instanceId: 'i-1', state: 'running' }] });
    expect((await living.run()).left).toEqual([role]);
    expect(living.removed).toEqual([]);
    const ending = sweepOn({ parts: [role], machines: [{ instanceId: 'i-1', state: 'shutting-down' }] });
    expect((await ending.run()).removed).toEqual([role]);
    const known = sweepOn({ parts: [role], machines: [{ instanceId: 'i-1', state: 'running' }] });
    const state = { machines: [{ hostname: 'vm-1', instanceId: 'i-1' }], others: [] };
    expect((await known.run(state)).removed).toEqual([role]);
  });

  test('with logs in them stay where logs are to be kept', async () => {
    const kept = sweepOn({ parts: [logs, role] }, true);
    expect(await kept.run()).toEqual({ removed: [role], left: [logs], problems: [] });
    expect((await sweepOn({ parts: [logs] }).run()).removed).toEqual([logs]);
  });

  test('a bug is no refusal: it is thrown', async () => {
    const { run } = sweepOn({ parts: [role], refused: { [role.id]: new TypeError('a bug') } });
    await expect(run()).rejects.toThrow('a bug');
  });
});
