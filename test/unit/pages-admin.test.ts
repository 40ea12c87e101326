import { describe, expect, test } from 'vitest';
import { renderAdmin } from '../../src/pages/admin.ts';
import { words } from '../../src/pages/words.ts';
import { NOW, textOf } from '../support/page-models.ts';

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
