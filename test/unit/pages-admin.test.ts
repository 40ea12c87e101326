import { describe, expect, test } from 'vitest';
import { renderAdmin } from '../../src/pages/admin.ts';
import { renderInstances } from '../../src/pages/instances.ts';
import { words } from '../../src/pages/words.ts';
import { assignment, NOW, textOf, vm } from '../support/page-models.ts';

describe('the overview', () => {
  test('counts the machines, also where a status has none, and leads on', () => {
    const html = renderAdmin({
      counts: { total: 5, free: 2, assigned: 1, byStatus: { running: 3, initializing: 2 } },
      checks: [
        { name: 'database', ok: true },
        { name: 'listener', ok: false, detail: 'Not connected.' },
      ],
    });
    const text = textOf(html);
    expect(text).toContain('All 5 Free 2 Assigned 1');
    expect(text).toContain('Initializing 2 Running 3 Error 0 Unreachable 0 Recycling 0 Destroying 0');
    expect(text).toContain('OK database Not OK listener Not connected.');
    for (const href of ['/admin/instances', '/admin/create', '/admin/instances/delete', '/docs']) {
      expect(html).toContain(`<a href="${href}">`);
    }
    expect(html).toContain('<a class="nav-link active" href="&#x2F;admin" aria-current="page">');
  });

  test('comes without counts while the database is away', () => {
    const html = renderAdmin({ counts: null, checks: [{ name: 'database', ok: false }] });
    expect(html).toContain(words.admin.unknownCounts);
    expect(textOf(html)).toContain('Not OK database');
  });
});

describe('the table of machines', () => {
  test('has a row for each machine, with what is known of it', () => {
    const html = renderInstances({
      vms: [
        vm,
        {
          ...vm,
          hostname: 'a b',
          status: 'error',
          in_use: true,
          gpu_health: 'Unhealthy',
          last_seen_at: null,
          waiting: false,
          assignment: { ...assignment, state: 'connected' },
        },
      ],
      total: 2,
      now: NOW,
    });
    const [, first = '', second = ''] = html.split(/<tr>(?=\s*<th scope="row">)/);
    expect(textOf(first)).toContain(
      'Logs of lablink-vm-prod-1 aws Running 6 min ago Nobody Not said Not said 12 s ago Yes',
    );
    expect(textOf(second)).toContain(
      'a b aws Error 6 min ago ada@example.org Connected 482913 Yes Unhealthy Never No',
    );
    expect(first).toContain('href="&#x2F;admin&#x2F;logs&#x2F;lablink-vm-prod-1"');
    expect(second).toContain('href="&#x2F;admin&#x2F;logs&#x2F;a%20b"');
    expect(textOf(html)).toContain('2 machines');
  });

  test('says when it does not show all', () => {
    expect(textOf(renderInstances({ vms: [vm], total: 1400, now: NOW }))).toContain('1 of 1400 machines');
  });

  test('says that there are none yet', () => {
    const html = renderInstances({ vms: [], total: 0, now: NOW });
    expect(html).toContain(words.instances.emptyTitle);
    expect(html).not.toContain('<table');
  });

  test.each([
    ['2026-01-01T12:00:05Z', 'just now'],
    ['2026-01-01T11:59:01Z', '59 s ago'],
    ['2026-01-01T11:59:00Z', '1 min ago'],
    ['2026-01-01T11:00:00Z', '1 h ago'],
    ['2025-12-31T12:00:00Z', '1 d ago'],
  ])('tells a machine seen at %s as %s', (seen, said) => {
    const html = renderInstances({ vms: [{ ...vm, last_seen_at: seen }], total: 1, now: NOW });
    expect(html).toContain(`title="${seen}">${said}</time></td>`);
  });
});
