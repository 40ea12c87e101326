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
  notice: null,
  now: NOW,
};
const [member] = model.fleet.vms;

describe('the page Shutdown and cost', () => {
  test('the page Shutdown and cost says when the first machine shuts down, and the cost so far', () => {
    const text = textOf(renderFleet(model));
    expect(text).toContain('First shutdown in 4 h 30 min');
    expect(text).toContain('The first machine shuts down at 2026-01-01 16:30 UTC');
    expect(text).toContain('shuts itself down 30 minutes after its shutdown time');
    expect(text).toContain('about $12.50');
    expect(text).toContain('Prices as of 2025-06-01');
    expect(text).toContain('every machine is in the list');
    expect(text).not.toContain('Machines that need attention');
  });

  test('machines that are overdue or do not know their new shutdown time are listed with the reason', () => {
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
      'lab-vm-1 Shutdown 2026-01-01 16:30 UTC (in 4 h 30 min) This machine should have shut down but still exists.',
    );
    expect(text).toContain('New shutdown time: 2026-01-01 20:00 UTC . SSH is away.');
  });

  test('an orphan has a button for each action that is possible, and for no other', () => {
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
      'Destroy… Destroy: lab-vm-1, i-1 Destroys the machine and everything on it. This cannot be undone. Destroy Cancel',
    );
    const row = { ...orphan, kind: 'record', id: 'lab-vm-1' } as const;
    expect(textOf(renderFleet({ ...model, orphans: { ...orphans, items: [row] } }))).toContain(
      'Remove from the list',
    );
  });

  test('without launched machines there is no shutdown time to change, and machines without a price are counted', () => {
    const empty = { ...model.fleet, total: 0, shutdown_at: null, launches: [], vms: [] };
    const html = renderFleet({ ...model, fleet: { ...empty, cost: { usd: 0, unpriced_vms: 2 } } });
    expect(html).not.toContain('fleet/reschedule-shutdown');
    expect(textOf(html)).toContain(
      'The cost does not include 2 machines: no price is known for the type and region.',
    );
    expect(textOf(html)).toContain('There are no launches yet.');
  });

  test('the page Shutdown and cost escapes all values', () => {
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
      notice: { good: false, text: HOSTILE },
    });
    expect(html).not.toContain('<script>alert');
  });
});

test('the line on other pages says the first shutdown, the cost, and how many machines are overdue', () => {
  expect(fleetLine(model.fleet, NOW)).toEqual({
    end: { at: '2026-01-01 16:30 UTC', timestamp: END, left: 'in 4\u00a0h 30\u00a0min' },
    cost: 'about $12.50',
    overdue: null,
  });
  const late = { ...model.fleet, vms: [{ ...member!, overdue: true }] };
  expect(fleetLine(late, NOW)?.overdue).toBe('1 machine is past its shutdown time and still exists.');
  expect(fleetLine({ ...model.fleet, costs_money: false }, NOW)?.cost).toBeNull();
  const free = { ...model.fleet, costs_money: false, shutdown_at: null };
  expect(fleetLine(free, NOW)).toBeNull();
});
