// The table of machines: the page, which machines it shows in which order, and the CSV of the same.
import { describe, expect, test } from 'vitest';
import { vmsCsv } from '../../src/handlers/vms-csv.ts';
import { renderInstances } from '../../src/pages/instances.ts';
import { tableVm } from '../../src/pages/machine-row.ts';
import {
  csvHref,
  isShown,
  pageOf,
  readVmQuery,
  sortColumns,
  sortVms,
  vmFilters,
} from '../../src/vms/vm-table.ts';
import { assignment, NOW, tagOf, textOf, vm } from '../support/page-models.ts';

const table = {
  vms: [vm],
  matching: 1,
  total: 1,
  page: 1,
  pages: 1,
  query: readVmQuery({}),
  cursor: 41,
  now: NOW,
} as const;

describe('the table of machines', () => {
  test('the table has a row for each machine, with what is known of it and without its PIN', () => {
    const html = renderInstances({
      ...table,
      vms: [
        vm,
        {
          ...vm,
          hostname: 'a b',
          status: 'error',
          in_use: true,
          gpu_health: 'Unhealthy',
          last_seen_at: null,
          assignment: { ...assignment, state: 'connected' },
          timings: {
            provisioning_seconds: 41.4,
            cloud_init_seconds: 62,
            container_seconds: 2.25,
            total_seconds: 105,
          },
        },
      ],
      matching: 2,
      total: 2,
    });
    const [, first = '', second = ''] = html.split(/<tr role="row" data-hostname/);
    expect(textOf(first)).toContain(
      'lablink-vm-prod-1 Running 6 min ago Not assigned Not known Not known 12 s ago',
    );
    expect(textOf(second)).toContain(
      'a b Error 6 min ago ada@example.org Connected Yes Unhealthy Never 105 s Log',
    );
    expect(second).toContain(
      'title="created\u00a041\u00a0s, boot\u00a062\u00a0s, container\u00a02.3\u00a0s"',
    );
    expect(first).toContain('href="/admin/logs/lablink-vm-prod-1"');
    expect(second).toContain('href="/admin/vms/a%20b"');
    expect(html).not.toContain(assignment.pin);
    expect(textOf(html)).toContain('Machines: 2');
  });

  test('the page says where the event stream continues, and whether it shows all machines', () => {
    const all = renderInstances({ ...table, vms: [vm] });
    expect(all).toContain('events?after=41"');
    expect(all).toContain(' data-whole>');
    expect(renderInstances({ ...table, vms: [vm], cursor: null })).toContain('events" data-whole');
    const some = renderInstances({ ...table, vms: [vm], total: 1400, matching: 3 });
    expect(some).not.toContain('data-whole');
    expect(textOf(some)).toContain('Machines: 3 / 1400');
  });

  test('many machines are on several pages, whose links keep the search, the filter and the order', () => {
    const machines = Array.from({ length: 60 }, (_, index) => ({ ...vm, hostname: `vm-${index + 1}` }));
    const shown = (page: number) => {
      const query = readVmQuery({ q: 'vm', show: 'free', sort: '-seen' });
      const { shown: vms, ...place } = pageOf(machines, page);
      const model = { vms, ...place, matching: 60, total: 130, query };
      const html = renderInstances({ ...table, ...model });
      return {
        rows: [...html.matchAll(/<tr role="row" data-hostname="([^"]+)"/g)].map(([, name]) => name),
        place: /Page \d+ of \d+/.exec(textOf(html))?.[0],
        links: [...html.matchAll(/href="([^"]+)" rel="(?:prev|next)"/g)].map(([, href]) => href),
      };
    };
    const base = '/admin/instances?q=vm&amp;show=free&amp;sort=-seen';
    expect(shown(1)).toMatchObject({ place: 'Page 1 of 3', links: [`${base}&amp;page=2`] });
    expect(shown(2)).toMatchObject({ place: 'Page 2 of 3', links: [base, `${base}&amp;page=3`] });
    expect(shown(3).rows).toEqual(machines.slice(50).map(({ hostname }) => hostname));
    for (const page of [4, 999_999]) expect(shown(page)).toEqual(shown(3));
    expect(renderInstances({ ...table, vms: [vm] })).not.toContain('data-pager');
  });

  test('the page tells no machines yet from no machine that matches', () => {
    const isHidden = (html: string, name: string) => new RegExp(`<div data-${name} hidden`).test(html);
    const empty = renderInstances({ ...table, vms: [], total: 0, matching: 0 });
    expect([isHidden(empty, 'empty'), isHidden(empty, 'none')]).toEqual([false, true]);
    const none = renderInstances({ ...table, vms: [], total: 3, matching: 0 });
    expect([isHidden(none, 'empty'), isHidden(none, 'none')]).toEqual([true, false]);
  });

  test('the form, the links and the CSV keep the search, the filter and the order', () => {
    const query = readVmQuery({ q: ' ada ', show: 'free', sort: '-seen' });
    const html = renderInstances({ ...table, vms: [vm], query });
    expect(tagOf(html, 'q')).toContain('value="ada"');
    expect(html).toContain('<option value="free" selected>');
    expect(html).toContain(
      'data-column="seen" aria-sort="descending"><a href="/admin/instances?q=ada&amp;show=free&amp;sort=seen"',
    );
    expect(html).toContain('vms.csv?q=ada&amp;show=free&amp;sort=-seen"');
  });

  test.each([
    ['2026-01-01T12:00:05Z', 'just now'],
    ['2026-01-01T11:59:01Z', '59\u00a0s ago'],
    ['2026-01-01T11:59:00Z', '1\u00a0min ago'],
    ['2026-01-01T11:00:00Z', '1\u00a0h ago'],
    ['2025-12-31T12:00:00Z', '1\u00a0d ago'],
  ])('a machine that was last seen at %s was seen "%s"', (seen, said) => {
    const html = renderInstances({ ...table, vms: [{ ...vm, last_seen_at: seen }] });
    expect(html).toContain(`datetime="${seen}" data-local="ago">${said}</time></td>`);
  });
});

describe('which machines are shown, and in which order', () => {
  const named = (hostname: string, more: Partial<typeof vm> = {}) => ({ ...vm, hostname, ...more });
  const names = (vms: readonly { hostname: string }[]) => vms.map(({ hostname }) => hostname).join(' ');

  test('hostnames are in natural order: 2 comes before 10', () => {
    const vms = [named('vm-10'), named('vm-2'), named('vm-1')];
    expect(names(sortVms(vms, { column: 'machine', descending: false }))).toBe('vm-1 vm-2 vm-10');
    expect(names(sortVms(vms, { column: 'machine', descending: true }))).toBe('vm-10 vm-2 vm-1');
  });

  test.each(sortColumns)('sorted by %s, what is not known comes last in either direction', (column) => {
    const blank = { in_use: null, gpu_health: null, last_seen_at: null, assignment: null };
    const full = {
      in_use: true,
      gpu_health: 'Healthy',
      last_seen_at: '2026-01-01T00:00:00Z',
      assignment,
    } as const;
    const timings = { ...vm.timings, total_seconds: 3 };
    const vms = [named('vm-1', blank), named('vm-2', { ...full, timings })];
    if (column === 'machine' || column === 'status') return;
    for (const descending of [false, true])
      expect(names(sortVms(vms, { column, descending }))).toBe('vm-2 vm-1');
  });

  test.each([
    [{ show: 'free' }, 'vm-1'],
    [{ show: 'assigned' }, 'vm-2'],
    [{ show: 'running' }, 'vm-1 vm-2 vm-4'],
    [{ show: 'error' }, 'vm-3'],
    [{ show: 'attention' }, 'vm-3'],
    [{ q: 'ADA' }, 'vm-2'],
    [{ q: 'vm-' }, 'vm-1 vm-2 vm-3 vm-4'],
    [{ show: 'nonsense' }, 'vm-1 vm-2 vm-3 vm-4'],
  ])('the query %j shows %s', (query, shown) => {
    const attention = { hostname: 'vm-3', email: null, reason: 'error', message: '', since: '' } as const;
    const released = { ...assignment, email: 'bob@example.org', state: 'released' } as const;
    const vms = [
      named('vm-1'),
      named('vm-2', { assignment }),
      named('vm-3', { status: 'error', attention }),
      named('vm-4', { assignment: released }),
    ];
    expect(names(vms.filter((each) => isShown(each, readVmQuery(query), NOW)))).toBe(shown);
  });
});

test('a machine whose start takes too long needs attention as soon as its deadline is over', () => {
  const deadline = {
    activity: 'starting',
    since: '2026-01-01T11:40:00Z',
    due_at: '2026-01-01T11:55:00Z',
    typical_seconds: 300,
    overdue_message: null,
  } as const;
  const query = readVmQuery({ show: 'attention' });
  expect(isShown({ ...vm, deadline }, query, NOW)).toBe(true);
  expect(isShown({ ...vm, deadline }, query, new Date('2026-01-01T11:55:00Z'))).toBe(false);
});

test('the browser filters and sorts by the facts of a row as the server does by the whole machine', () => {
  const vms = [
    vm,
    { ...vm, hostname: 'vm-2', assignment },
    { ...vm, hostname: 'vm-3', status: 'error' as const },
  ];
  for (const show of vmFilters) {
    const query = readVmQuery({ show, q: 'vm' });
    const ofBrowser = vms.map((each) => isShown(tableVm(each), query, NOW));
    expect(ofBrowser).toEqual(vms.map((each) => isShown(each, query, NOW)));
  }
  expect(JSON.stringify(tableVm({ ...vm, assignment }))).not.toContain(assignment.pin);
});

test('the link to the CSV has the parameters of the page, without those that are as by default', () => {
  expect(csvHref(readVmQuery({}))).toBe('/api/v1/vms.csv');
  expect(csvHref(readVmQuery({ q: 'a b', show: 'attention' }))).toBe('/api/v1/vms.csv?q=a+b&show=attention');
});

describe('the CSV', () => {
  test('the CSV has a line for each machine in the given order, and no formula or PIN', () => {
    const csv = vmsCsv([
      { ...vm, hostname: 'vm-2', assignment: { ...assignment, email: '=cmd|\'a\'!a1,"x"@y.org' } },
      { ...vm, hostname: 'vm-10' },
    ]);
    const lines = csv.split('\r\n');
    expect(lines[0]).toMatch(/^hostname,status,status_since,provider,/);
    expect(lines[1]).toMatch(/^vm-2,running,/);
    expect(lines[1]).toContain(`,"'=cmd|'a'!a1,""x""@y.org",`);
    expect(lines[2]).toMatch(/^vm-10,/);
    expect(csv).not.toContain(assignment.pin);
  });

  test.each(['=1', '+1', '-1', '@a', '\t=1', '\r=1'])('the CSV has the e-mail %j as plain text', (email) => {
    expect(vmsCsv([{ ...vm, assignment: { ...assignment, email } }])).toContain(`'${email}`);
  });
});
