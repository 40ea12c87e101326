import { describe, expect, test } from 'vitest';
import { fleetLine, renderFleet, type FleetModel } from '../../src/pages/fleet.ts';
import { HOSTILE, ID, NOW, textOf } from '../support/page-models.ts';

const END = '2026-01-01T16:30:00.000Z';
const model: FleetModel = {
  fleet: {
    provider: 'aws',
    costs_money: true,
    total: 2,
    shutdown_at: END,
    grace_minutes: 30,
    cost: { usd: 12.5, unpriced_vms: 0 },
    prices_as_of: '2025-06-01',
    note: 'An estimate.',
    launches: [
      {
        id: ID,
        launched_at: '2026-01-01T08:30:00.000Z',
        requested_by: 'ada',
        total: 3,
        existing: 2,
        shutdown_at: END,
        cost: { usd: 12.5, unpriced_vms: 0 },
      },
    ],
    vms: [
      {
        hostname: 'lab-vm-1',
        instance_type: 'g4dn.xlarge',
        shutdown_at: END,
        requested_shutdown_at: null,
        error: null,
        overdue: false,
      },
    ],
  },
  orphans: { items: [], checked_at: '2026-01-01T11:59:00.000Z', error: null },
  told: null,
  now: NOW,
};
const [member] = model.fleet.vms;

describe('the page of the end and the cost', () => {
  test('says when the first ends, and what it has cost', () => {
    const text = textOf(renderFleet(model));
    expect(text).toContain('First end in 4 h 30 min');
    expect(text).toContain('Their first end is 2026-01-01 16:30 UTC');
    expect(text).toContain('shuts itself down 30 minutes after its end');
    expect(text).toContain('about $12.50');
    expect(text).toContain('Prices as of 2025-06-01');
    expect(text).toContain('every machine has its row');
    expect(text).not.toContain('Machines that want attention');
  });

  test('shows machines that are overdue, and those that were not told, with the reason', () => {
    const vms = [
      { ...member!, overdue: true },
      {
        ...member!,
        hostname: 'lab-vm-2',
        requested_shutdown_at: '2026-01-01T20:00:00.000Z',
        error: 'SSH is away.',
      },
    ];
    const text = textOf(renderFleet({ ...model, fleet: { ...model.fleet, vms } }));
    expect(text).toContain(
      'lab-vm-1 Ends 2026-01-01 16:30 UTC (in 4 h 30 min) Its end and the grace are over',
    );
    expect(text).toContain('It is to end 2026-01-01 20:00 UTC . SSH is away.');
  });

  test('offers only what is possible with an orphan', () => {
    const orphan = {
      id: 'i-1',
      kind: 'vm',
      hostname: 'lab-vm-1',
      launch_id: null,
      instance_type: null,
      reason: 'It was made twice.',
      adoptable: false,
      terminable: true,
    } as const;
    const orphans = { ...model.orphans, items: [orphan] };
    const html = renderFleet({ ...model, orphans });
    expect(html).toContain('orphans/i-1/terminate"');
    expect(html).not.toContain('/adopt"');
    expect(textOf(html)).toContain(
      'Terminate of lab-vm-1 (i-1) It is ended with everything on it. This cannot be undone. Yes, do it:',
    );
    const row = { ...orphan, kind: 'record', id: 'lab-vm-1' } as const;
    expect(textOf(renderFleet({ ...model, orphans: { ...orphans, items: [row] } }))).toContain(
      'Clear the row',
    );
  });

  test('with nothing launched there is no end to move, and machines without a price are told', () => {
    const empty = { ...model.fleet, total: 0, shutdown_at: null, launches: [], vms: [] };
    const html = renderFleet({ ...model, fleet: { ...empty, cost: { usd: 0, unpriced_vms: 2 } } });
    expect(html).not.toContain('fleet/reschedule-shutdown');
    expect(textOf(html)).toContain('2 machines are not counted: their types and regions have no price here.');
    expect(textOf(html)).toContain('Nothing was launched yet.');
  });

  test('prints nothing unescaped', () => {
    const html = renderFleet({
      ...model,
      fleet: {
        ...model.fleet,
        note: HOSTILE,
        vms: [{ ...member!, hostname: HOSTILE, error: HOSTILE, requested_shutdown_at: END }],
        launches: [{ ...model.fleet.launches[0]!, requested_by: HOSTILE, id: null }],
      },
      orphans: {
        items: [
          {
            id: HOSTILE,
            kind: 'vm',
            hostname: HOSTILE,
            launch_id: HOSTILE,
            instance_type: null,
            reason: HOSTILE,
            adoptable: true,
            terminable: true,
          },
        ],
        checked_at: null,
        error: HOSTILE,
      },
      told: { good: false, text: HOSTILE },
    });
    expect(html).not.toContain('<script>alert');
  });
});

test('the line of the other pages says the end, the cost, and what is past its end', () => {
  expect(fleetLine(model.fleet, NOW)).toEqual({
    machines: '2 launched machines',
    end: { at: '2026-01-01 16:30 UTC', timestamp: END, left: 'in 4\u00a0h 30\u00a0min' },
    cost: 'about $12.50',
    overdue: null,
  });
  const late = { ...model.fleet, vms: [{ ...member!, overdue: true }] };
  expect(fleetLine(late, NOW)?.overdue).toBe('1 machine is past its end, and still there.');
  expect(fleetLine({ ...model.fleet, costs_money: false }, NOW)?.cost).toBeNull();
  expect(fleetLine({ ...model.fleet, total: 0, launches: [], vms: [] }, NOW)).toBeNull();
});
