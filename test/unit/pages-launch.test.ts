import { describe, expect, test } from 'vitest';
import { renderCreateInstances, type CreateInstancesModel, type LaunchPlan } from '../../src/pages/launch.ts';
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

  test('the launch page suggests one spare machine per ten participants, and not more than a launch may have', () => {
    const forty = renderCreateInstances({ ...page, people: { typed: '40', count: 40 } });
    expect(textOf(forty)).toContain('Suggested: 44');
    expect(forty).toContain('max="100" step="1" value="44"');
    const many = renderCreateInstances({ ...page, people: { typed: '99', count: 99 } });
    expect(textOf(many)).toContain('Suggested: 100');
  });

  test('the launch page shows an error at a number of participants that is none, and keeps what was typed', () => {
    const html = renderCreateInstances({ ...page, people: { typed: 'forty', count: null } });
    expect(html).toContain('<p class="wrong" id="people-error">Enter the number of participants');
    expect(html).toContain('value="forty"');
  });

  test('the launch page shows type, price, quota and total where machines cost money', () => {
    const text = textOf(renderCreateInstances({ ...page, people: { typed: '10', count: 10 }, plan }));
    expect(text).toContain('Machine type g4dn.xlarge');
    expect(text).toContain('0.53 USD per hour list price, us-east-1, on demand, Linux, as of 2026-11-01');
    expect(text).toContain(
      '64 vCPUs, of which 16 are in use. Each machine needs 4, so 12 more machines are possible.',
    );
    expect(text).toContain('about 46.29 USD for 11 × 8 h');
    expect(text).toContain('If you launch more than 5, one is created first');
  });

  test('the total is computed from the typed hours, else from the default', () => {
    const sum = (typed: Partial<typeof page>) => textOf(renderCreateInstances({ ...page, plan, ...typed }));
    expect(sum({ numVms: '10', hours: '3' })).toContain('about 15.78 USD for 10 × 3 h');
    expect(sum({ numVms: '10', hours: '' })).toContain('about 42.08 USD for 10 × 8 h');
    expect(sum({ numVms: 'many' })).toContain('Enter the number of machines and the hours');
    expect(sum({ numVms: '1', hours: '', defaultHours: null })).toContain(
      'Enter the number of machines and the hours',
    );
    expect(sum({ canaryAbove: null })).not.toContain('one is created first');
  });

  test('the launch page says what is unknown', () => {
    const unknown = { ...plan, pricePerHourUsd: null, quotaVcpus: null };
    const text = textOf(renderCreateInstances({ ...page, plan: unknown }));
    expect(text).toContain('Price per machine Unknown');
    expect(text).toContain('The quota could not be read.');
    expect(text).not.toContain('Total until shutdown');
  });
});
