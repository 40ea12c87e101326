import { describe, expect, test } from 'vitest';
import { renderAdmin } from '../../src/pages/admin.ts';
import { NOW, textOf } from '../support/page-models.ts';

const quiet = {
  total: 5,
  free: 2,
  reserved: 0,
  assigned: 1,
  in_use: 1,
  starting: 2,
  failed: 0,
  by_status: { running: 3, initializing: 2 },
  attention: [],
  attention_total: 0,
  unmatched: 0,
  waiting: 0,
  missing: 0,
  scheduled: [] as never[],
  operation: null,
} as const;
const overview = {
  lab: { ...quiet, attention: [] },
  checks: [{ name: 'database', ok: true }],
  launches: true,
  now: NOW,
};

describe('the overview', () => {
  test('the overview has the counts first, then what needs attention, and the checks where one is not well', () => {
    const html = renderAdmin({
      ...overview,
      checks: [
        { name: 'database', ok: true },
        { name: 'listener', ok: false, detail: 'Not connected.' },
      ],
    });
    const text = textOf(html);
    expect(text).toContain('2 Free 1 Assigned 1 In use 2 Starting 0 Failed 5 Total');
    expect(text).toContain('Something is wrong with this server. OK Database Not OK Listener Not connected.');
    expect(text).toMatch(/2 Free [\s\S]* Nothing needs your attention\.[\s\S]* Something is wrong/);
    const well = textOf(renderAdmin({ ...overview, checks: [{ name: 'database', ok: true }] }));
    expect(well).toContain('This server is healthy OK Database');
    expect(html).toContain('href="/admin" aria-current="page"');
  });

  test('machines that are not in the list need attention, because they may cost money', () => {
    const html = renderAdmin({ ...overview, lab: { ...quiet, attention: [], unmatched: 2 } });
    expect(textOf(html)).toContain('Not in the list · 2 machines They exist and may cost money');
    expect(textOf(html)).not.toContain('Nothing needs your attention');
    expect(html).toContain('href="/admin/fleet#orphans"');
  });

  test('the overview lists machines that need attention, with reason, participant and a link to the actions', () => {
    const attention = {
      hostname: 'lab-vm-1',
      email: 'ada@example.org',
      reason: 'machine_lost',
      message: 'Assign another machine.',
      since: '2026-01-01T11:55:00Z',
    } as const;
    const many = Array.from({ length: 20 }, (_, index) => ({
      ...attention,
      hostname: `lab-vm-${index + 1}`,
    }));
    const html = renderAdmin({ ...overview, lab: { ...quiet, attention: many, attention_total: 20 } });
    const text = textOf(html);
    expect(text).toContain(
      'Participant cannot work · lab-vm-1 · ada@example.org · 5 min ago Assign another machine.',
    );
    expect(html).toContain('href="/admin/vms/lab-vm-12#actions"');
    expect(html).not.toContain('lab-vm-13');
    expect(text).toContain('View all 20 machines that need attention');
  });

  test('the overview says when no machine is free', () => {
    expect(
      textOf(renderAdmin({ ...overview, lab: { ...quiet, attention: [], free: 0, starting: 0 } })),
    ).toContain('No machine is free');
    expect(textOf(renderAdmin(overview))).not.toContain('No machine is free');
  });

  test('the overview without machines lists the first steps, and explains servers that do not launch', () => {
    const empty = {
      ...overview,
      lab: { ...quiet, attention: [], total: 0, free: 0, assigned: 0, starting: 0 },
    };
    expect(textOf(renderAdmin(empty))).toContain('Launch machines : as many as participants');
    expect(renderAdmin(empty)).not.toContain('This server does not launch machines.');
    expect(textOf(renderAdmin({ ...empty, launches: false }))).toContain(
      'This server does not launch machines.',
    );
  });

  test('the overview has no counts while the database cannot be reached', () => {
    const html = renderAdmin({ ...overview, lab: null, checks: [{ name: 'database', ok: false }] });
    expect(html).toContain('the state of the machines is unknown');
    expect(textOf(html)).toContain('Not OK Database');
  });
});
