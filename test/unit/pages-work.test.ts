// Participants' work on the admin's pages: downloads, and what a destroy would lose.
import { expect, test } from 'vitest';
import { renderAdmin } from '../../src/pages/admin.ts';
import { renderDeleteInstances } from '../../src/pages/delete-instances.ts';
import { formatBytes } from '../../src/pages/format.ts';
import type { UnsavedWorkModel } from '../../src/pages/work.ts';
import { HOSTILE, NOW, textOf } from '../support/page-models.ts';

const ago = new Date(NOW.getTime() - 180_000);
const last = { at: ago, files: 3, bytes: 3_400_000, complete: true };
const download = {
  id: '0b0f4c0e-58a1-4f0e-9a38-6f6a5b1d2c11',
  requested_by: 'admin',
  hostname: null,
  is_selection: false,
  state: 'sending',
  message: null,
  started_at: NOW.toISOString(),
  ended_at: null,
  vms: 3,
  vms_searched: 3,
  vms_done: 1,
  vms_failed: 1,
  files_found: 10,
  bytes_found: 5_000,
  files: 4,
  bytes: 1_234,
} as const;

test('the overview offers the download, shows the progress of running ones, and what was last downloaded', () => {
  const vms = [
    { hostname: 'vm-1', email: HOSTILE, last },
    { hostname: 'vm-2', email: null, last: null },
    { hostname: 'vm-3', email: null, last: { ...last, complete: false } },
  ];
  const ended = { ...download, state: 'failed', message: 'No files.', ended_at: NOW.toISOString() } as const;
  const html = renderAdmin({
    lab: null,
    launches: true,
    now: NOW,
    checks: [],
    work: { now: NOW, vms, downloads: [download, ended] },
  });
  const text = textOf(html);
  expect(html).toContain('href="/api/scp-client" download');
  expect(html).not.toContain('<script>alert');
  expect(text).toContain('Downloading: 1 / 3 machines, 4 files, 1.2 kB; 1 incomplete');
  expect(text).toContain('Failed. No files.');
  expect(text).toContain('vm-2 Not assigned Never downloaded');
  expect(text).toContain('vm-3 Not assigned 3 files, 3.4 MB, 3 min ago; incomplete');
});

test('with many machines the overview lists the assigned ones first, in the order of their numbers, and counts the others', () => {
  const vms = Array.from({ length: 250 }, (_, index) => ({
    hostname: `vm-${index + 1}`,
    email: index % 2 === 1 ? `person-${index + 1}@example.org` : null,
    last: null,
  }));
  const work = { now: NOW, vms, downloads: [] };
  const html = renderAdmin({ lab: null, launches: true, now: NOW, checks: [], work });
  const names = [...html.matchAll(/<th scope="row">(vm-\d+)<\/th>/g)].map(([, name]) => name);
  expect(names).toEqual(Array.from({ length: 100 }, (_, index) => `vm-${2 * index + 2}`));
  expect(textOf(html)).toContain('And 150 more machines');
});

test('without machines the overview has no download link', () => {
  const html = renderAdmin({
    lab: null,
    launches: true,
    now: NOW,
    checks: [],
    work: { now: NOW, vms: [], downloads: [] },
  });
  expect(html).not.toContain('/api/scp-client');
  expect(textOf(html)).toContain('There are no machines, so there is nothing to download.');
});

const calm = {
  hostname: 'vm-1',
  email: 'ada@example.org',
  last,
  problem: null,
  files: 3,
  bytes: 9,
  changed: false,
  leftBehind: null,
};
const unsavedWorkPage = (vms: Extract<UnsavedWorkModel, { surveyed: true }>['vms']): string =>
  textOf(
    renderDeleteInstances({
      deployment: 'lab',
      machines: [],
      running: null,
      error: null,
      unsavedWork: { now: NOW, surveyed: true, vms },
    }),
  );

test.each([
  [{ last: null }, 'ada@example.org vm-1 3 files, 9 bytes. Never downloaded.'],
  [{ changed: true }, 'Changed since the last download. Last downloaded: 3 files, 3.4 MB, 3 min ago.'],
  [{ last: { ...last, complete: false } }, 'The last download was incomplete.'],
  [
    { problem: 'It did not answer in time.' },
    'The files on this machine are unknown. It did not answer in time.',
  ],
])('the destroy page lists work that would be lost: %j', (changes, said) => {
  const text = unsavedWorkPage([{ ...calm, ...changes }]);
  expect(text).toContain('Work that would be lost');
  expect(text).toContain(said);
});

test('the destroy page lists downloaded work as safe, with the files that downloads exclude', () => {
  const byExtension = { h5: { files: 2, bytes: 10 }, csv: { files: 1, bytes: 5 } };
  const text = unsavedWorkPage([{ ...calm, leftBehind: { files: 3, bytes: 15, byExtension } }]);
  expect(text).not.toContain('Work that would be lost');
  expect(text).toContain('Downloaded and unchanged since.');
  expect(text).toContain('Excluded from downloads: 3 files, 15 bytes (h5 2, csv 1).');
});

test('the destroy page lists the work that would be lost first, and apart from work that is safe', () => {
  const text = unsavedWorkPage([
    { ...calm, hostname: 'vm-1', email: 'safe@example.org' },
    { ...calm, hostname: 'vm-2', email: 'risk@example.org', last: null },
  ]);
  const [lost = '', safe = ''] = text.split('Of the others, nothing would be lost:');
  expect(lost).toContain('risk@example.org');
  expect(lost).not.toContain('safe@example.org');
  expect(safe).toContain('safe@example.org');
});

test('the destroy page leaves out machines that no participant has had: their files are those of the image', () => {
  const text = unsavedWorkPage([{ ...calm, email: null, last: null, files: 7 }]);
  expect(text).not.toContain('would be lost');
  expect(text).not.toContain('7 files');
});

test('before the survey the destroy page shows what is known, with a link to the survey without JavaScript', () => {
  const html = renderDeleteInstances({
    deployment: 'lab',
    machines: [],
    running: null,
    error: null,
    unsavedWork: {
      now: NOW,
      surveyed: false,
      vms: [
        { hostname: 'vm-1', email: 'ada@example.org', last },
        { hostname: 'vm-2', email: null, last: null },
      ],
    },
  });
  const text = textOf(html);
  expect(text).toContain('ada@example.org vm-1 Last downloaded: 3 files, 3.4 MB, 3 min ago.');
  expect(text).not.toContain('vm-2 Never downloaded.');
  expect(text).not.toContain('Nothing has changed');
  expect(html).toContain('href="/admin/instances/delete?survey=true"');
});

test('sizes are formatted in decimal units', () => {
  expect([0, 1, 999, 1_000, 3_400_000, 250e9].map(formatBytes)).toEqual([
    '0 bytes',
    '1 byte',
    '999 bytes',
    '1.0 kB',
    '3.4 MB',
    '250 GB',
  ]);
});
