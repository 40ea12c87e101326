import { describe, expect, test } from 'vitest';
import { CloudError } from '../../src/provision/aws/cloud-error.ts';
import type { Cloud } from '../../src/provision/aws/cloud.ts';
import { readPlan } from '../../src/provision/aws/plan.ts';
import { createPlanner } from '../../src/provision/launch-checks.ts';
import type { VmPlan } from '../../src/provision/provider.ts';
import { PRICES_AS_OF } from '../../src/vms/prices.ts';

type Asked = Pick<Cloud, 'describeTypes' | 'onDemandQuota'>;

const cloud: Asked = {
  describeTypes: () => Promise.resolve(new Map([['g4dn.xlarge', { vcpus: 4, nvidia: true, zones: [] }]])),
  onDemandQuota: () => Promise.resolve({ limitVcpus: 64, usedVcpus: 16 }),
};
const wanted = { machineType: 'g4dn.xlarge', region: 'us-east-1' };
const never = new AbortController().signal;
const known: VmPlan = {
  machineType: 'g4dn.xlarge',
  pricePerHourUsd: 0.526,
  pricedAt: PRICES_AS_OF,
  neededVcpusPerVm: 4,
  quotaVcpus: 64,
  usedVcpus: 16,
};

describe('the plan of machines on AWS', () => {
  test('the plan has the type, its list price, and what is left of the quota', async () => {
    expect(await readPlan(cloud, wanted, never)).toEqual(known);
  });

  test('the plan has no price for an unknown type or another region', async () => {
    expect(await readPlan(cloud, { ...wanted, region: 'eu-west-1' }, never)).toMatchObject({
      pricePerHourUsd: null,
      neededVcpusPerVm: 4,
    });
    const rare = await readPlan(cloud, { ...wanted, machineType: 'q9.huge' }, never);
    expect(rare).toMatchObject({ pricePerHourUsd: null, neededVcpusPerVm: null, quotaVcpus: null });
  });

  test('the plan has no quota if AWS refuses or does not answer in time', async () => {
    const refused = new CloudError({ code: 'credentials', message: 'No.', remedy: 'Do.' }, 'Code');
    const refusing: Asked = { ...cloud, onDemandQuota: () => Promise.reject(refused) };
    const unknown = { ...known, quotaVcpus: null, usedVcpus: null };
    expect(await readPlan(refusing, wanted, never)).toEqual(unknown);
    const hanging: Asked = { ...cloud, describeTypes: () => new Promise(() => undefined) };
    expect(await readPlan(hanging, wanted, AbortSignal.timeout(10))).toEqual(unknown);
  });
});

describe('the planner of the launch page', () => {
  const warnings: string[] = [];
  const log = { warn: (_fields: object, message: string) => void warnings.push(message) };
  const planner = (plan: () => Promise<VmPlan | null>) => {
    let atMs = 0;
    let asked = 0;
    const provider = {
      plan: () => {
        asked += 1;
        return plan();
      },
    };
    return {
      read: createPlanner({ provider, log, now: () => new Date(atMs), limitMs: 10 }),
      asked: () => asked,
      pass: (ms: number) => (atMs += ms),
    };
  };

  test('the planner asks the provider once a minute, however often the page is loaded', async () => {
    const lab = planner(() => Promise.resolve(known));
    expect(await Promise.all([lab.read(), lab.read()])).toEqual([known, known]);
    lab.pass(59_000);
    await lab.read();
    expect(lab.asked()).toBe(1);
    lab.pass(2_000);
    await lab.read();
    expect(lab.asked()).toBe(2);
  });

  test('the planner gives up on a provider that does not answer, and asks again soon', async () => {
    const lab = planner(() => new Promise(() => undefined));
    expect(await lab.read()).toBeNull();
    lab.pass(11_000);
    expect(await lab.read()).toBeNull();
    expect(lab.asked()).toBe(2);
  });

  test('the page has no plan if the provider fails or its machines cost nothing', async () => {
    const lab = planner(() => Promise.reject(new Error('away')));
    expect(await lab.read()).toBeNull();
    expect(warnings).toHaveLength(1);
    expect(await createPlanner({ provider: {}, log, now: () => new Date() })()).toBeNull();
  });
});
