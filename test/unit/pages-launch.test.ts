import { describe, expect, test } from 'vitest';
import { renderCreateInstances, type CreateInstancesModel } from '../../src/pages/create-instances.ts';
import type { LaunchPlan } from '../../src/pages/launch-form.ts';
import { textOf } from '../support/page-models.ts';

const plan: LaunchPlan = {
  machineType: 'g4dn.xlarge',
  pricePerHourUsd: 0.526,
  pricedAt: '2026-11-01',
  neededVcpusPerVm: 4,
  quotaVcpus: 64,
  usedVcpus: 16,
};

describe('the launch page', () => {
  const form = { maxVms: 100, numVms: '', hours: '8', defaultHours: 8, canaryAbove: 5, people: null };
  const page: CreateInstancesModel = { ...form, plan: null, notReady: null, running: null, error: null };

  test('suggests one spare machine for every ten people, and no more than are allowed', () => {
    const forty = renderCreateInstances({ ...page, people: { typed: '40', count: 40 } });
    expect(textOf(forty)).toContain('Suggested: 44');
    expect(forty).toContain('max="100" step="1" value="44"');
    const many = renderCreateInstances({ ...page, people: { typed: '99', count: 99 } });
    expect(textOf(many)).toContain('Suggested: 100');
  });

  test('says at the field that a number of people is none, and keeps it', () => {
    const html = renderCreateInstances({ ...page, people: { typed: 'forty', count: null } });
    expect(html).toContain('<p class="wrong" id="people-error">Enter how many people come');
    expect(html).toContain('value="forty"');
  });

  test('shows type, price, quota and end where machines cost something', () => {
    const text = textOf(renderCreateInstances({ ...page, people: { typed: '10', count: 10 }, plan }));
    expect(text).toContain('Machine type g4dn.xlarge');
    expect(text).toContain('0.53 USD an hour list price, us-east-1, on demand, Linux, as of 2026-11-01');
    expect(text).toContain(
      '64 vCPUs, of which 16 are in use. Each machine needs 4, so 12 more machines are possible.',
    );
    expect(text).toContain('about 46.29 USD, for 11 × 8 h');
    expect(text).toContain('Of more than 5, the first one is made alone');
  });

  test('counts what it costs by the hours that were typed, else by those that an empty field means', () => {
    const sum = (typed: Partial<typeof page>) => textOf(renderCreateInstances({ ...page, plan, ...typed }));
    expect(sum({ numVms: '10', hours: '3' })).toContain('about 15.78 USD, for 10 × 3 h');
    expect(sum({ numVms: '10', hours: '' })).toContain('about 42.08 USD, for 10 × 8 h');
    expect(sum({ numVms: 'many' })).toContain('Enter how many machines and for how long');
    expect(sum({ numVms: '1', hours: '', defaultHours: null })).toContain(
      'Enter how many machines and for how long',
    );
    expect(sum({ canaryAbove: null })).not.toContain('made alone');
  });

  test('does not pretend to know what cannot be read', () => {
    const unknown = { ...plan, pricePerHourUsd: null, quotaVcpus: null };
    const text = textOf(renderCreateInstances({ ...page, plan: unknown }));
    expect(text).toContain('Price of one machine Not known');
    expect(text).toContain('The quota could not be read.');
    expect(text).not.toContain('All of them');
  });
});
