import { describe, expect, test } from 'vitest';
import type { VmModel } from '../../src/pages/vm-model.ts';
import { renderVm } from '../../src/pages/vm.ts';
import { words } from '../../src/pages/words.ts';
import { assignment, NOW, textOf, vm } from '../support/page-models.ts';

const machine: VmModel = {
  vm: { ...vm, assignment },
  timeline: [
    { at: '2026-01-01T11:58:00Z', kind: 'action', text: 'Marked healthy: error.', who: 'grace' },
    { at: '2026-01-01T11:54:00Z', kind: 'status', text: 'It is running.', who: null },
  ],
  launchId: null,
  browserAllowedUntil: null,
  freeCount: 2,
  canRestart: true,
  lastDownload: null,
  done: null,
  error: null,
  now: NOW,
};
const buttons = (html: string) => [...html.matchAll(/data-key="([\w-]+)"/g)].map(([, key]) => key);

describe('the page of a machine', () => {
  test('tells what is known, whose it is, and what happened', () => {
    const html = renderVm({
      ...machine,
      launchId: '7f0c7c52-3d34-4a0c-9a53-0a4f3f0f6d21',
      vm: {
        ...machine.vm,
        address: '192.0.2.7',
        ssh_user: 'ubuntu',
        ssh_port: 22,
        free_disk_bytes: 12_300_000_000,
      },
    });
    const text = textOf(html);
    expect(text).toContain('ubuntu@192.0.2.7:22');
    expect(text).toContain('12.3 GB');
    expect(text).toContain('ada@example.org');
    expect(text).toContain('482913');
    expect(html.indexOf('482913')).toBeGreaterThan(html.indexOf('<summary>Show the PIN'));
    expect(text).toMatch(/Marked healthy: error\. \(by grace\s*\)/);
    expect(html).toContain('href="/admin/operations/7f0c7c52');
  });

  test('offers what can be done, each with what it will do; destructive ones are asked again', () => {
    const html = renderVm(machine);
    expect(buttons(html)).toEqual(['allow-browser', 'reassign', 'release', 'restart', 'destroy']);
    for (const action of ['allowBrowser', 'reassign', 'release', 'restart', 'destroy'] as const)
      expect(textOf(html)).toContain(words.machine[action].what.slice(0, 60));
    expect(html.match(/<details[\s\S]*?<\/details>/g)).toHaveLength(5);
    expect(html).toContain(`action="/api/v1/assignments/${machine.vm.assignment?.id ?? ''}/release"`);
  });

  test.each<[string, Partial<VmModel>, string[]]>([
    ['nobody has, from a provider that cannot restart', { vm, canRestart: false }, ['destroy']],
    [
      'is broken, with somebody: another machine comes first',
      { vm: { ...machine.vm, status: 'error' } },
      ['reassign', 'allow-browser', 'release', 'mark-healthy', 'restart', 'destroy'],
    ],
    [
      'has an unhealthy GPU',
      { vm: { ...vm, gpu_health: 'Unhealthy' }, canRestart: false },
      ['mark-healthy', 'destroy'],
    ],
    ['is being destroyed', { vm: { ...vm, status: 'destroying' } }, []],
    [
      'was released',
      { vm: { ...vm, status: 'recycling', assignment: { ...assignment, state: 'released' } } },
      ['restart', 'destroy'],
    ],
  ])('of one that %s offers %o', (_what, model, offered) => {
    expect(buttons(renderVm({ ...machine, ...model }))).toEqual(offered);
  });

  test('says what was downloaded of its person, and says it again before that would be lost', () => {
    const at = (timestamp: string) => ({
      lastDownload: { at: new Date(timestamp), files: 3, bytes: 2_000_000, complete: true },
    });
    const never = textOf(renderVm(machine));
    expect(never.match(/Their work:? Never downloaded\./g)).toHaveLength(3);
    const saved = renderVm({ ...machine, ...at('2026-01-01T11:59:00Z') });
    expect(textOf(saved)).toContain('Their work Last downloaded: 3 files');
    expect(saved).toContain('href="/api/v1/vms/lablink-vm-prod-1/data" download');
    // What was downloaded before they had it was somebody else's.
    expect(textOf(renderVm({ ...machine, ...at('2026-01-01T11:00:00Z') }))).toContain('Never downloaded.');
    expect(textOf(renderVm({ ...machine, vm }))).not.toContain('Never downloaded.');
  });

  test('of a machine that came by itself says that it runs on', () => {
    const html = renderVm({ ...machine, vm: { ...vm, provider: 'external' } });
    expect(textOf(html)).toContain('It came by itself, and runs on.');
    expect(textOf(html)).not.toContain('The machine ends, with everything on it.');
  });

  test('says why another machine cannot be given, what was done, and why something was not', () => {
    expect(textOf(renderVm({ ...machine, freeCount: 0 }))).toContain(words.machine.reassign.none);
    expect(textOf(renderVm({ ...machine, done: 'release' }))).toContain('The machine was released.');
    const refused = renderVm({ ...machine, error: 'Nobody has it.' });
    expect(textOf(refused)).toContain('Nothing was changed Nobody has it.');
    expect(refused).toContain('<title>Error: ');
  });
});
