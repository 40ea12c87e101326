import { describe, expect, test } from 'vitest';
import { renderVm, type VmModel } from '../../src/pages/vm.ts';
import { assignment, NOW, textOf, vm } from '../support/page-models.ts';

const machine: VmModel = {
  vm: { ...vm, assignment },
  timeline: [
    { at: '2026-01-01T11:58:00Z', kind: 'action', text: 'Marked as healthy: error.', who: 'grace' },
    { at: '2026-01-01T11:54:00Z', kind: 'status', text: 'The machine is running.', who: null },
  ],
  launchId: null,
  access: { browsers: 2, requestedFrom: '192.0.2.44' },
  browserAllowedUntil: null,
  freeCount: 2,
  canRestart: true,
  isCreatedHere: true,
  lastDownload: null,
  done: null,
  error: null,
  now: NOW,
};
const buttons = (html: string) => [...html.matchAll(/data-key="([\w-]+)"/g)].map(([, key]) => key);

describe('the page of a machine', () => {
  test('the page of a machine shows its details, its participant and its timeline', () => {
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
    expect(text).toContain('Requested from 192.0.2.44; 2 browsers with access');
    expect(text).toContain('ada@example.org');
    expect(text).toContain('482913');
    expect(html.indexOf('482913')).toBeGreaterThan(html.indexOf('<summary>Show PIN'));
    expect(text).toMatch(/Marked as healthy: error\. \(by grace\s*\)/);
    expect(html).toContain('href="/admin/operations/7f0c7c52');
  });

  test('the page of a machine offers each possible action with its effect, and asks to confirm those that destroy something', () => {
    const html = renderVm(machine);
    expect(buttons(html)).toEqual([
      'allow-browser',
      'reassign',
      'reassign-end-browsers',
      'release',
      'restart',
      'destroy',
    ]);
    for (const effect of [
      'Allow a new browser For a participant who has lost both browser and PIN, or whose e-mail address somebody else used.',
      'Assign another machine The participant gets a free machine with the same PIN',
      'Release machine Ends the assignment. The agent deletes the participant’s files',
      'Restart machine Stops and restarts all programs on the machine.',
      'Destroy machine Destroys the machine and everything on it.',
    ])
      expect(textOf(html)).toContain(effect);
    // The question names the participant and their work, and can be declined; it opens without JavaScript.
    expect(textOf(html)).toMatch(
      /Release machine… Release machine: lablink-vm-prod-1 ada@example\.org Ends the assignment\.[^…]* Participant’s work: Never downloaded\. Release machine Cancel/,
    );
    expect(html.match(/ popover id="confirm-/g)).toHaveLength(6);
    expect(html.match(/class="btn btn-outline-danger"/g)).toHaveLength(5);
    expect(html).toContain(`action="/api/v1/assignments/${machine.vm.assignment?.id ?? ''}/release"`);
  });

  test.each<[string, Partial<VmModel>, string[]]>([
    ['is not assigned, from a provider that cannot restart', { vm, canRestart: false }, ['destroy']],
    [
      'is broken and assigned (another machine comes first)',
      { vm: { ...machine.vm, status: 'error' } },
      ['reassign', 'allow-browser', 'reassign-end-browsers', 'release', 'mark-healthy', 'restart', 'destroy'],
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
  ])('the page of a machine that %s offers %o', (_what, model, offered) => {
    expect(buttons(renderVm({ ...machine, ...model }))).toEqual(offered);
  });

  test('the page of a machine says when the work was downloaded, again at each action that would lose it', () => {
    const at = (timestamp: string) => ({
      lastDownload: { at: new Date(timestamp), files: 3, bytes: 2_000_000, complete: true },
    });
    const never = textOf(renderVm(machine));
    expect(never.match(/[Ww]ork:? Never downloaded\./g)).toHaveLength(5);
    const saved = renderVm({ ...machine, ...at('2026-01-01T11:59:00Z') });
    expect(textOf(saved)).toContain('Work Last downloaded: 3 files');
    expect(saved).toContain('href="/api/v1/vms/lablink-vm-prod-1/data" download');
    // An earlier download has the work of an earlier participant.
    expect(textOf(renderVm({ ...machine, ...at('2026-01-01T11:00:00Z') }))).toContain('Never downloaded.');
    expect(textOf(renderVm({ ...machine, vm }))).not.toContain('Never downloaded.');
  });

  test('the page of an external machine says that it keeps running', () => {
    const html = renderVm({ ...machine, vm, isCreatedHere: false });
    expect(textOf(html)).toContain('This server did not launch this machine, so it keeps running.');
    expect(textOf(html)).not.toContain('Destroys the machine and everything on it.');
  });

  test('the page of a machine says why no other machine can be assigned, what was done, and why something failed', () => {
    expect(textOf(renderVm({ ...machine, freeCount: 0 }))).toContain('No machine is free right now.');
    expect(textOf(renderVm({ ...machine, done: 'release' }))).toContain('The machine was released.');
    const refused = renderVm({ ...machine, error: 'It is not assigned.' });
    expect(textOf(refused)).toContain('Nothing was changed It is not assigned.');
    expect(refused).toContain('<title>Error: ');
  });
});
