import { describe, expect, test } from 'vitest';
import type { components } from '../../src/contract/openapi.gen.ts';
import { problemBody } from '../../src/contract/problems.ts';
import { renderDashboard, type DashboardModel } from '../../src/pages/dashboard.ts';
import { renderDeleteInstances } from '../../src/pages/delete-instances.ts';
import { renderCreateInstances, type LaunchPlan } from '../../src/pages/launch.ts';
import { renderOperations } from '../../src/pages/operations.ts';
import { renderProblem } from '../../src/pages/problem.ts';
import { assignment, HOSTILE, ID, NOW, textOf, vm } from '../support/page-models.ts';

type Operation = components['schemas']['Operation'];

const running: Operation = {
  id: ID,
  kind: 'launch',
  status: 'running',
  message: '1 of 3 machines created.',
  requested_by: 'admin',
  requested_at: '2026-01-01T11:59:00.000Z',
  started_at: '2026-01-01T11:59:00.000Z',
  ended_at: null,
  cancel_requested_at: null,
  num_vms: 3,
  hostnames: null,
  shutdown_at: null,
  progress: { done: 1, failed: 0, total: 3 },
  problem: null,
};
const failed: Operation = {
  ...running,
  status: 'failed',
  message: HOSTILE,
  requested_by: HOSTILE,
  problem: { kind: 'quota', problem: HOSTILE, remedy: HOSTILE },
};
const line = { at: '2026-01-01T11:59:01.000Z', level: 'error', hostname: HOSTILE, text: HOSTILE } as const;
const made = {
  hostname: 'lablink-vm-prod-1',
  state: 'created',
  seconds: 1.5,
  detail: null,
  at: '2026-01-01T11:59:02.000Z',
} as const;
const dashboard: DashboardModel = {
  kind: 'launch',
  operation: running,
  error: null,
  lines: [{ ...line, hostname: null, text: 'Starting.' }],
  olderLines: 0,
  lastLine: 41,
  machines: {
    items: [{ machine: made, vm }],
    left: 1,
    proof: 'The provider lists no machines.',
  },
  form: {
    maxVms: 100,
    numVms: '',
    hours: '',
    defaultHours: null,
    canaryAbove: null,
    people: null,
    plan: null,
  },
};
const hostileMachines: DashboardModel['machines'] = {
  items: [
    {
      machine: { ...made, hostname: HOSTILE, state: 'failed', detail: HOSTILE },
      vm: { ...vm, hostname: HOSTILE, assignment: { ...assignment, email: HOSTILE } },
    },
  ],
  left: 1,
  proof: 'The provider lists no machines.',
};
const plan: LaunchPlan = {
  machineType: 'g4dn.xlarge',
  pricePerHourUsd: 0.526,
  pricedAt: '2026-11-01',
  neededVcpusPerVm: 4,
  quotaVcpus: 64,
  usedVcpus: 16,
};

describe('every page about operations', () => {
  const error = { message: HOSTILE, fields: { num_vms: HOSTILE, confirm: HOSTILE } };
  const pages: readonly (readonly [string, string])[] = [
    [
      'create-instances',
      renderCreateInstances({
        maxVms: 100,
        notReady: { problem: HOSTILE, remedy: HOSTILE },
        running: failed,
        error,
        numVms: HOSTILE,
        hours: HOSTILE,
        defaultHours: 8,
        canaryAbove: 5,
        people: { typed: HOSTILE, count: null },
        plan: { ...plan, machineType: HOSTILE, pricedAt: HOSTILE },
      }),
    ],
    [
      'dashboard',
      renderDashboard({ ...dashboard, operation: failed, error, lines: [line], machines: hostileMachines }),
    ],
    [
      'delete-dashboard',
      renderDashboard({ ...dashboard, kind: 'destroy', operation: { ...failed, kind: 'destroy' } }),
    ],
    [
      'delete-instances',
      renderDeleteInstances({
        deployment: HOSTILE,
        machines: [
          { hostname: HOSTILE, fate: 'destroyed', email: HOSTILE },
          { hostname: HOSTILE, fate: 'removed', email: null },
          { hostname: HOSTILE, fate: 'stays', email: null },
        ],
        running: failed,
        error,
      }),
    ],
    ['operations', renderOperations({ operations: [failed], next: ID, isFirst: false, now: NOW })],
  ];

  test.each(pages)('the page %s escapes all values', (_name, html) => {
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain("alert('x')");
    expect(html).toContain('&lt;script&gt;');
  });

  test.each(pages)('the page %s does not name the tool of the original implementation', (_name, html) => {
    expect(html.toLowerCase()).not.toContain('terraform');
  });
});

describe('the dashboard', () => {
  test('the page of a running operation follows it from the last line shown, and reloads without JavaScript', () => {
    const html = renderDashboard(dashboard);
    const stream = `/api/v1/operations/${ID}/events?vms=true&after=41-0`;
    expect(html).toContain(stream.replaceAll('&after', '&amp;after'));
    expect(html).toContain('<noscript><meta http-equiv="refresh"');
    expect(textOf(html)).toContain('Running 1 of 3 machines created.');
    expect(textOf(html)).toContain('11:59:01 UTC Starting.');
    expect(textOf(html)).toContain('lablink-vm-prod-1 Created 1.5 s Running Not assigned');
    expect(textOf(html)).toContain('1 of 3 machines are ready.');
    expect(html).toContain('<progress class="progress" id="progress" max="3" value="1">');
  });

  test('the page of a finished operation follows the machines only, and neither offers to cancel nor reloads', () => {
    const html = renderDashboard({ ...dashboard, operation: { ...failed, message: 'No quota.' } });
    expect(html).toContain('data-stream="/api/v1/vms/events"');
    expect(html).not.toContain('data-cancel>');
    expect(html).not.toContain('http-equiv');
    expect(textOf(html)).toContain('Failed No quota.');
  });

  test('the page of an operation says how many older lines there are', () => {
    expect(textOf(renderDashboard({ ...dashboard, olderLines: 7 }))).toContain('Older lines not shown: 7');
  });

  test('the page of an operation shows a requested cancellation until the operation has finished', () => {
    const asked = { ...running, cancel_requested_at: '2026-01-01T11:59:30.000Z' };
    const html = renderDashboard({ ...dashboard, operation: asked });
    expect(textOf(html)).toContain(
      'Cancelling Cancellation requested 11:59:30 UTC Cancelling: steps in progress',
    );
    expect(html).not.toContain('data-cancel>');
    const over = { ...asked, status: 'cancelled' as const, ended_at: '2026-01-01T11:59:40.000Z' };
    const ended = renderDashboard({ ...dashboard, operation: over });
    expect(ended).toContain('<div data-cancelling hidden');
    expect(textOf(ended)).toContain('Duration: 40 s.');
  });

  test('the page of a finished launch reloads until its machines have started', () => {
    const succeeded = { ...running, status: 'succeeded' as const, ended_at: '2026-01-01T12:00:00.000Z' };
    const withVm = (status: 'initializing' | 'running') =>
      renderDashboard({
        ...dashboard,
        operation: succeeded,
        machines: {
          items: [{ machine: made, vm: { ...vm, status, last_seen_at: null } }],
          left: 1,
          proof: 'The provider lists no machines.',
        },
      });
    expect(withVm('initializing')).toContain('http-equiv');
    expect(textOf(withVm('initializing'))).toContain('Not reported yet');
    expect(textOf(withVm('initializing'))).toContain('0 of 3 machines are ready.');
    expect(withVm('running')).not.toContain('http-equiv');
  });

  test('the page of a destroy counts the remaining machines, and says "Verified" only at the end', () => {
    const destroying = { ...running, kind: 'destroy' as const };
    const html = renderDashboard({ ...dashboard, kind: 'destroy', operation: destroying });
    expect(textOf(html)).toContain('Remaining machines 1 1 machine is left.');
    expect(html).toContain('data-proof hidden>');
    const over = { ...destroying, status: 'succeeded' as const, ended_at: '2026-01-01T12:00:00.000Z' };
    const machines = { items: [{ machine: { ...made, state: 'destroyed' as const }, vm: null }], left: 0 };
    const ended = renderDashboard({
      ...dashboard,
      kind: 'destroy',
      operation: over,
      machines: { ...machines, proof: 'EC2 lists no machines.' },
    });
    expect(ended).toContain('data-proof>Verified. EC2 lists no machines.');
    expect(textOf(ended)).toContain('Remaining machines 0 No machines are left.');
    // Who had a machine that is gone is not known: not nobody.
    expect(textOf(ended)).toContain('Destroyed 1.5 s Not in the list');
    expect(textOf(ended)).not.toContain('Not assigned');
  });

  test('a destroyed machine shows who had it, also when one of that name has come later', () => {
    const later = { ...vm, assignment: { ...assignment, email: 'later@example.org' } };
    const former = { email: 'ada@example.org', name: 'Ada' };
    const operation = { ...running, kind: 'destroy', status: 'succeeded' } as const;
    const pageOf = (state: 'destroyed' | 'failed', present: typeof vm): string => {
      const items = [{ machine: { ...made, state }, vm: present, former }];
      return textOf(
        renderDashboard({
          ...dashboard,
          kind: 'destroy',
          operation,
          machines: { items, left: 1, proof: '' },
        }),
      );
    };
    for (const present of [later, { ...vm, assignment: null }]) {
      expect(pageOf('destroyed', present)).toContain('Running ada@example.org Ada');
      expect(pageOf('destroyed', present)).not.toMatch(/later@|Not assigned/);
    }
    expect(pageOf('failed', later)).toContain('later@example.org');
  });

  test('a machine that waits is being destroyed while the operation runs; afterwards nobody knows what became of it', () => {
    const pageOf = (status: Operation['status']): string =>
      textOf(
        renderDashboard({
          ...dashboard,
          kind: 'destroy',
          operation: { ...running, kind: 'destroy', status },
          machines: { items: [{ machine: { ...made, state: 'waiting' }, vm }], left: 1, proof: '' },
        }),
      );
    expect(pageOf('running')).toContain('lablink-vm-prod-1 Being destroyed');
    for (const status of ['failed', 'cancelled', 'interrupted'] as const)
      expect(pageOf(status)).toContain('lablink-vm-prod-1 Not known');
  });

  test('the page of a destroy of some machines names them, and verifies only those', () => {
    const over = { ...running, kind: 'destroy' as const, status: 'succeeded' as const, hostnames: ['vm-7'] };
    const html = renderDashboard({ ...dashboard, kind: 'destroy', operation: over });
    expect(html).toContain('<h1>Destroy vm-7</h1>');
    expect(html).toContain('data-proof>Verified: these machines no longer exist.');
    expect(html).not.toContain('Destroy all machines</h1>');
    const some = renderDashboard({
      ...dashboard,
      kind: 'destroy',
      operation: { ...over, hostnames: ['vm-7', 'vm-8'] },
    });
    expect(some).toContain('<h1>Destroy 2 machines</h1>');
  });

  test('the page of a launch says when its machines shut down', () => {
    const html = renderDashboard({
      ...dashboard,
      operation: { ...running, shutdown_at: '2026-01-01T20:00:00.000Z' },
    });
    expect(textOf(html)).toContain('The machines were set to shut down at 2026-01-01 20:00');
  });

  test('the page of a refused launch or destroy says why and has the form, also while the database cannot be reached', () => {
    const errors = [{ field: 'num_vms', code: 'minimum', message: 'num_vms must be at least 1' }];
    const launch = renderProblem(problemBody('invalid_request', { errors }), {
      endpointId: 'launchVms',
      form: {},
    });
    expect(textOf(launch)).toContain('The number of machines must be a whole number greater than 0.');
    expect(launch).toContain('action="/api/v1/operations"');
    expect(launch).toContain('<p class="wrong" id="num-vms-error">');
    const many = [{ field: 'num_vms', code: 'maximum', message: 'num_vms must be at most 1000' }];
    const tooMany = problemBody('invalid_request', { errors: many });
    expect(textOf(renderProblem(tooMany, { endpointId: 'launchVms', form: {} }))).toContain(
      'The number of machines is too large.',
    );
    const destroy = renderProblem(problemBody('database_unavailable'), {
      endpointId: 'destroyVms',
      form: null,
    });
    expect(textOf(destroy)).toContain('The database cannot be reached right now.');
    expect(destroy).toContain('href="/admin/instances/delete"');
  });
});

describe('the list of operations', () => {
  test('the list of operations shows status, requester, time and duration, and links to the output', () => {
    const ended = { ...failed, message: 'No quota.', ended_at: '2026-01-01T12:02:20.000Z' };
    const html = renderOperations({ operations: [ended], next: null, isFirst: true, now: NOW });
    expect(textOf(html)).toContain('Output of Launch (3) Failed No quota.');
    expect(textOf(html)).toContain('2026-01-01 11:59 UTC 3 min 20 s');
    expect(html).toContain(`href="/admin/operations/${ID}"`);
    expect(html).not.toContain('http-equiv');
  });

  test('the list of operations has pages, reloads while one runs, and says when there are none', () => {
    const html = renderOperations({ operations: [running], next: ID, isFirst: false, now: NOW });
    expect(html).toContain(`?after=${ID}">Older`);
    expect(html).toContain('href="/admin/operations">Newest');
    expect(html).toContain('http-equiv');
    const none = renderOperations({ operations: [], next: null, isFirst: true, now: NOW });
    expect(textOf(none)).toContain('There are no operations yet.');
  });
});
