import { describe, expect, test } from 'vitest';
import { renderAdmin } from '../../src/pages/admin.ts';
import { renderInstances } from '../../src/pages/instances.ts';
import { words } from '../../src/pages/words.ts';
import { vmsCsv } from '../../src/handlers/vms-csv.ts';
import {
  isShown,
  pageOf,
  readMachineQuery,
  sortColumns,
  sortMachines,
} from '../../src/pages/machine-order.ts';
import { assignment, NOW, tagOf, textOf, vm } from '../support/page-models.ts';

const quiet = {
  total: 5,
  free: 2,
  assigned: 1,
  in_use: 1,
  starting: 2,
  failed: 0,
  by_status: { running: 3, initializing: 2 },
  attention: [],
  attention_total: 0,
  operation: null,
} as const;
const overview = {
  lab: { ...quiet, attention: [] },
  checks: [{ name: 'database', ok: true }],
  launches: true,
  now: NOW,
};

describe('the overview', () => {
  test('counts the machines, also where a status has none', () => {
    const html = renderAdmin({
      ...overview,
      checks: [
        { name: 'database', ok: true },
        { name: 'listener', ok: false, detail: 'Not connected.' },
      ],
    });
    const text = textOf(html);
    expect(text).toContain('2 Free 1 Assigned 1 In use 2 Starting 0 Failed 5 All');
    expect(text).toContain('Initializing 2 Running 3 Error 0 Unreachable 0 Recycling 0 Destroying 0');
    expect(text).toContain('OK Database Not OK Listener Not connected.');
    expect(text).toContain(words.lab.attentionNone);
    expect(html).toContain('href="/admin" aria-current="page"');
  });

  test('names what needs the admin, with its reason, its person and the way to its remedy', () => {
    const attention = {
      hostname: 'lab-vm-1',
      email: 'ada@example.org',
      reason: 'machine_lost',
      message: 'Give them another machine.',
      since: '2026-01-01T11:55:00Z',
    } as const;
    const many = Array.from({ length: 20 }, (_, index) => ({
      ...attention,
      hostname: `lab-vm-${index + 1}`,
    }));
    const html = renderAdmin({ ...overview, lab: { ...quiet, attention: many, attention_total: 20 } });
    const text = textOf(html);
    expect(text).toContain(
      'Somebody cannot work · lab-vm-1 · ada@example.org · 5 min ago Give them another machine.',
    );
    expect(html).toContain('href="/admin/vms/lab-vm-12#actions"');
    expect(html).not.toContain('lab-vm-13');
    expect(text).toContain('See all that need you: 20');
  });

  test('says when no machine is free, and when all is well', () => {
    expect(
      textOf(renderAdmin({ ...overview, lab: { ...quiet, attention: [], free: 0, starting: 0 } })),
    ).toContain(words.lab.noneFreeReason);
    expect(textOf(renderAdmin(overview))).not.toContain(words.lab.noneFreeReason);
  });

  test('tells a new lab what to do first, and what there is where machines come by themselves', () => {
    const empty = {
      ...overview,
      lab: { ...quiet, attention: [], total: 0, free: 0, assigned: 0, starting: 0 },
    };
    expect(textOf(renderAdmin(empty))).toContain('Launch machines : as many as people');
    expect(renderAdmin(empty)).not.toContain(words.lab.emptyExternal);
    expect(textOf(renderAdmin({ ...empty, launches: false }))).toContain('they come by themselves');
  });

  test('comes without counts while the database is away', () => {
    const html = renderAdmin({ ...overview, lab: null, checks: [{ name: 'database', ok: false }] });
    expect(html).toContain(words.lab.unknownCounts);
    expect(textOf(html)).toContain('Not OK Database');
  });
});

const table = {
  vms: [vm],
  matching: 1,
  total: 1,
  page: 1,
  pages: 1,
  query: readMachineQuery({}),
  cursor: 41,
  now: NOW,
} as const;

describe('the table of machines', () => {
  test('has a row for each machine, with what is known of it', () => {
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
      'lablink-vm-prod-1 aws Running 6 min ago Nobody Not said Not said 12 s ago',
    );
    expect(textOf(second)).toContain(
      'a b aws Error 6 min ago ada@example.org Connected Yes Unhealthy Never made 41 s, boot 62 s, container 2.3 s',
    );
    expect(first).toContain('href="/admin/logs/lablink-vm-prod-1"');
    expect(second).toContain('href="/admin/vms/a%20b"');
    expect(html).not.toContain(assignment.pin);
    expect(textOf(html)).toContain('Machines: 2');
  });

  test('goes on from what it shows, and says whether that is all', () => {
    const all = renderInstances({ ...table, vms: [vm] });
    expect(all).toContain('events?after=41"');
    expect(all).toContain(' data-whole>');
    expect(renderInstances({ ...table, vms: [vm], cursor: null })).toContain('events" data-labels');
    const some = renderInstances({ ...table, vms: [vm], total: 1400, matching: 3 });
    expect(some).not.toContain('data-whole');
    expect(textOf(some)).toContain('Machines: 3 / 1400');
  });

  test('of many machines it shows a page, and leads to the others as they were asked for', () => {
    const machines = Array.from({ length: 60 }, (_, index) => ({ ...vm, hostname: `vm-${index + 1}` }));
    const shown = (page?: string) => {
      const query = readMachineQuery({ q: 'vm', show: 'free', sort: '-seen', page });
      const { shown: vms, ...place } = pageOf(machines, query.page);
      const model = { vms, ...place, matching: 60, total: 130, query };
      const html = renderInstances({ ...table, ...model });
      return {
        rows: [...html.matchAll(/<tr role="row" data-hostname="([^"]+)"/g)].map(([, name]) => name),
        place: /Page \d+ of \d+/.exec(textOf(html))?.[0],
        links: [...html.matchAll(/href="([^"]+)" rel="(?:prev|next)"/g)].map(([, href]) => href),
      };
    };
    const base = '/admin/instances?q=vm&amp;show=free&amp;sort=-seen';
    expect(shown()).toMatchObject({ place: 'Page 1 of 3', links: [`${base}&amp;page=2`] });
    expect(shown('2')).toMatchObject({ place: 'Page 2 of 3', links: [base, `${base}&amp;page=3`] });
    expect(shown('3').rows).toEqual(machines.slice(50).map(({ hostname }) => hostname));
    for (const page of ['0', '', undefined]) expect(shown(page).rows[0]).toBe('vm-1');
    for (const page of ['4', '999999']) expect(shown(page)).toEqual(shown('3'));
    expect(renderInstances({ ...table, vms: [vm] })).not.toContain('data-pager');
  });

  test('says that there are none yet, or that none matches', () => {
    const isHidden = (html: string, name: string) => new RegExp(`<div data-${name} hidden`).test(html);
    const empty = renderInstances({ ...table, vms: [], total: 0, matching: 0 });
    expect([isHidden(empty, 'empty'), isHidden(empty, 'none')]).toEqual([false, true]);
    const none = renderInstances({ ...table, vms: [], total: 3, matching: 0 });
    expect([isHidden(none, 'empty'), isHidden(none, 'none')]).toEqual([true, false]);
  });

  test('keeps what was asked for in its form, its links and its CSV', () => {
    const query = readMachineQuery({ q: ' ada ', show: 'free', sort: '-seen' });
    const html = renderInstances({ ...table, vms: [vm], query });
    expect(tagOf(html, 'q')).toContain('value="ada"');
    expect(html).toContain('<option value="free" selected>');
    expect(html).toContain(
      'data-column="seen" aria-sort="descending"><a href="/admin/instances?q=ada&amp;show=free&amp;sort=seen"',
    );
    expect(html).toContain('vms.csv?search=ada&amp;assigned=false&amp;status=running"');
  });

  test.each([
    ['2026-01-01T12:00:05Z', 'just now'],
    ['2026-01-01T11:59:01Z', '59\u00a0s ago'],
    ['2026-01-01T11:59:00Z', '1\u00a0min ago'],
    ['2026-01-01T11:00:00Z', '1\u00a0h ago'],
    ['2025-12-31T12:00:00Z', '1\u00a0d ago'],
  ])('tells a machine seen at %s as %s', (seen, said) => {
    const html = renderInstances({ ...table, vms: [{ ...vm, last_seen_at: seen }] });
    expect(html).toContain(`datetime="${seen}" data-local="ago">${said}</time></td>`);
  });
});

describe('which machines are shown, and in which order', () => {
  const named = (hostname: string, more: Partial<typeof vm> = {}) => ({ ...vm, hostname, ...more });
  const names = (vms: readonly { hostname: string }[]) => vms.map(({ hostname }) => hostname).join(' ');

  test('hostnames are sorted as people count', () => {
    const vms = [named('vm-10'), named('vm-2'), named('vm-1')];
    expect(names(sortMachines(vms, { column: 'machine', descending: false }))).toBe('vm-1 vm-2 vm-10');
    expect(names(sortMachines(vms, { column: 'machine', descending: true }))).toBe('vm-10 vm-2 vm-1');
  });

  test.each(sortColumns)('by %s, what is not known comes last in either direction', (column) => {
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
      expect(names(sortMachines(vms, { column, descending }))).toBe('vm-2 vm-1');
  });

  test.each([
    [{ show: 'free' }, 'vm-1'],
    [{ show: 'assigned' }, 'vm-2'],
    [{ show: 'error' }, 'vm-3'],
    [{ show: 'attention' }, 'vm-3'],
    [{ q: 'ADA' }, 'vm-2'],
    [{ q: 'vm-' }, 'vm-1 vm-2 vm-3'],
    [{ show: 'nonsense' }, 'vm-1 vm-2 vm-3'],
  ])('%j shows %s', (query, shown) => {
    const attention = { hostname: 'vm-3', email: null, reason: 'error', message: '', since: '' } as const;
    const vms = [named('vm-1'), named('vm-2', { assignment }), named('vm-3', { status: 'error', attention })];
    expect(names(vms.filter((each) => isShown(each, readMachineQuery(query))))).toBe(shown);
  });
});

describe('the CSV', () => {
  test('has a line for each machine in natural order, and no formula, no PIN', () => {
    const csv = vmsCsv([
      { ...vm, hostname: 'vm-10' },
      { ...vm, hostname: 'vm-2', assignment: { ...assignment, email: '=cmd|\'a\'!a1,"x"@y.org' } },
    ]);
    const lines = csv.split('\r\n');
    expect(lines[0]).toMatch(/^hostname,status,status_since,provider,/);
    expect(lines[1]).toMatch(/^vm-2,running,/);
    expect(lines[1]).toContain(`,"'=cmd|'a'!a1,""x""@y.org",`);
    expect(lines[2]).toMatch(/^vm-10,/);
    expect(csv).not.toContain(assignment.pin);
  });

  test.each(['=1', '+1', '-1', '@a', '\t=1', '\r=1'])('%j is made plain text', (email) => {
    expect(vmsCsv([{ ...vm, assignment: { ...assignment, email } }])).toContain(`'${email}`);
  });
});
