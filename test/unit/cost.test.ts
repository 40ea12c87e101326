import { describe, expect, test } from 'vitest';
import { costSoFar, type VmHours } from '../../src/vms/cost.ts';
import { hoursFrom, isOverdue } from '../../src/vms/shutdown.ts';
import { priceOf, pricedTypes } from '../../src/vms/prices.ts';
import { quotaOf } from '../../src/provision/aws/quotas.ts';

const NOW = new Date('2026-11-25T12:00:00Z');
const before = (hours: number): Date => new Date(NOW.getTime() - hours * 3_600_000);
const machine = (parts: Partial<VmHours>): VmHours => ({
  bills: true,
  instanceType: 'g4dn.xlarge',
  createdAt: before(2),
  destroyedAt: null,
  ...parts,
});

describe('the cost so far', () => {
  test('the cost is hours times price, up to now or until the machine was destroyed', () => {
    const machines = [machine({}), machine({ createdAt: before(10), destroyedAt: before(9) })];
    expect(costSoFar(machines, NOW)).toEqual({ usd: 1.58, unpricedVms: 0 });
  });

  test('the cost counts the machines with an unknown price instead of taking them as free', () => {
    const machines = [machine({ instanceType: 'q9.enormous' }), machine({ instanceType: null })];
    expect(costSoFar(machines, NOW)).toEqual({ usd: 0, unpricedVms: 2 });
  });

  test('machines without a price cost nothing, and a clock that was set back does not lower the cost', () => {
    expect(costSoFar([machine({ bills: false, instanceType: null })], NOW)).toEqual({
      usd: 0,
      unpricedVms: 0,
    });
    expect(costSoFar([machine({ createdAt: before(-1) })], NOW).usd).toBe(0);
  });

  test('the cost of 40 machines in a workshop is hours times the list price', () => {
    const machines = Array.from({ length: 40 }, () => machine({ createdAt: before(8) }));
    expect(costSoFar(machines, NOW).usd).toBeCloseTo(168.32, 2);
  });
});

test('every type with a price counts against a quota that is known', () => {
  for (const type of pricedTypes) expect(quotaOf(type), type).not.toBeNull();
  expect(quotaOf('g4dn.xlarge')?.code).toBe('L-DB2E81BA');
  expect(quotaOf('vt1.3xlarge')?.code).toBe('L-DB2E81BA');
  expect(quotaOf('t3.micro')?.code).toBe('L-1216C47A');
  expect(quotaOf('p3.2xlarge')?.code).toBe('L-417A185B');
  expect(quotaOf('inf2.xlarge')?.family).toBe('Inf');
  expect(quotaOf('q9.enormous')).toBeNull();
  expect(priceOf('toString')).toBeNull();
});

test('prices are known in one region and unknown in others', () => {
  expect(priceOf('g4dn.xlarge', 'us-east-1')?.usdPerHour).toBe(0.526);
  expect(priceOf('g4dn.xlarge', 'eu-west-1')).toBeNull();
  expect(costSoFar([machine({})], NOW, 'eu-west-1')).toEqual({ usd: 0, unpricedVms: 1 });
});

test('a machine is overdue after its end time, the grace period and a margin', () => {
  const end = hoursFrom(NOW, 1);
  expect(end.toISOString()).toBe('2026-11-25T13:00:00.000Z');
  expect(isOverdue(end, new Date('2026-11-25T13:44:00Z'), 30)).toBe(false);
  expect(isOverdue(end, new Date('2026-11-25T13:46:00Z'), 30)).toBe(true);
  expect(isOverdue(null, NOW, 30)).toBe(false);
});
