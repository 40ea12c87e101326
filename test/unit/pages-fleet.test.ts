import { describe, expect, test } from 'vitest';
import type { components } from '../../src/contract/openapi.gen.ts';
import { problemBody } from '../../src/contract/problems.ts';
import { renderCreateInstances } from '../../src/pages/create-instances.ts';
import { renderDashboard, type DashboardModel } from '../../src/pages/dashboard.ts';
import { renderDeleteInstances } from '../../src/pages/delete-instances.ts';
import { renderProblem } from '../../src/pages/problem.ts';
import { assignment, HOSTILE, ID, textOf, vm } from '../support/page-models.ts';

type Operation = components['schemas']['Operation'];

const running: Operation = {
  id: ID,
  kind: 'launch',
  status: 'running',
  message: '1 of 3 machines made.',
  requested_by: 'admin',
  requested_at: '2026-01-01T11:59:00.000Z',
  started_at: '2026-01-01T11:59:00.000Z',
  ended_at: null,
  cancel_requested_at: null,
  num_vms: 3,
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
const dashboard: DashboardModel = {
  kind: 'launch',
  operation: running,
  error: null,
  lines: [{ ...line, hostname: null, text: 'It begins.' }],
  olderLines: 0,
  lastLine: 41,
  machines: { vms: [vm], total: 1 },
};
const hostileMachines = {
  vms: [{ ...vm, hostname: HOSTILE, assignment: { ...assignment, email: HOSTILE } }],
  total: 1,
};

describe('every page of the fleet', () => {
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
        provider: 'local',
        machines: [
          { hostname: HOSTILE, provider: 'local', email: HOSTILE },
          { hostname: HOSTILE, provider: 'external', email: null },
          { hostname: HOSTILE, provider: 'aws', email: null },
        ],
        running: failed,
        error,
      }),
    ],
  ];

  test.each(pages)('%s shows what it is given as text, whatever it holds', (_name, html) => {
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain("alert('x')");
    expect(html).toContain('&lt;script&gt;');
  });

  test.each(pages)('%s does not name the tool that was used before', (_name, html) => {
    expect(html.toLowerCase()).not.toContain('terraform');
  });
});

describe('the dashboard', () => {
  test('of a run follows it from the last line that it shows, and refreshes without JavaScript', () => {
    const html = renderDashboard(dashboard);
    const stream = `/api/v1/operations/${ID}/events?vms=true&after=41-0`;
    expect(html).toContain(
      stream.replaceAll('/', '&#x2F;').replaceAll('=', '&#x3D;').replaceAll('&after', '&amp;after'),
    );
    expect(html).toContain('<noscript><meta http-equiv="refresh"');
    expect(textOf(html)).toContain('Running 1 of 3 machines made.');
    expect(textOf(html)).toContain('11:59:01 It begins.');
    expect(html).toContain('<progress class="progress" id="progress" max="3" value="1">');
  });

  test('of what is over follows the machines alone, offers no cancelling, and does not refresh', () => {
    const html = renderDashboard({ ...dashboard, operation: { ...failed, message: 'No quota.' } });
    expect(html).toContain('data-stream="&#x2F;api&#x2F;v1&#x2F;vms&#x2F;events"');
    expect(html).not.toContain('data-cancel');
    expect(html).not.toContain('http-equiv');
    expect(textOf(html)).toContain('Failed No quota.');
  });

  test('says how many older lines there are', () => {
    expect(textOf(renderDashboard({ ...dashboard, olderLines: 7 }))).toContain(
      'Older lines are not shown here: 7',
    );
  });

  test('of a request that is refused says why, and leads back to the form, also while the database is away', () => {
    const errors = [{ field: 'num_vms', message: 'num_vms must be at least 1' }];
    const launch = renderProblem(problemBody('invalid_request', { errors }), {
      operationId: 'launchVms',
      form: {},
    });
    expect(textOf(launch)).toContain('Number of VMs must be greater than 0.');
    expect(launch).toContain('href="&#x2F;admin&#x2F;create"');
    const many = [{ field: 'num_vms', message: 'num_vms must be at most 1000' }];
    const tooMany = problemBody('invalid_request', { errors: many });
    expect(textOf(renderProblem(tooMany, { operationId: 'launchVms', form: {} }))).toContain(
      'Number of VMs is too large',
    );
    const destroy = renderProblem(problemBody('database_unavailable'), {
      operationId: 'destroyVms',
      form: null,
    });
    expect(textOf(destroy)).toContain('The database cannot be reached right now.');
    expect(destroy).toContain('href="&#x2F;admin&#x2F;instances&#x2F;delete"');
  });
});
