// Models for the tests of pages, and functions that read the rendered pages.
import type { components } from '../../src/contract/openapi.gen.ts';
import type { IndexModel } from '../../src/pages/index-page.ts';
import type { SuccessModel } from '../../src/pages/success.ts';

type Vm = components['schemas']['Vm'];

export const ID = '0b0f4c0e-58a1-4f0e-9a38-6f6a5b1d2c11';
export const NOW = new Date('2026-01-01T12:00:00Z');
export const HOSTILE = `"><script>alert('x')</script>{{words.brand}}`;

export const form: IndexModel = {
  lab: { state: 'open', message: '3 machines are free.' },
  values: {},
  askForPin: false,
  mine: [],
};
export const assigned: SuccessModel = {
  id: ID,
  hostname: 'lablink-vm-prod-1',
  pin: '482913',
  email: 'ada@example.org',
  state: 'waiting',
  message: 'Your machine has not fetched the command yet.',
};
export const vm: Vm = {
  hostname: 'lablink-vm-prod-1',
  provider: 'aws',
  status: 'running',
  status_since: '2026-01-01T11:54:00Z',
  in_use: null,
  gpu_health: null,
  twin_since: null,
  reserved: false,
  address: null,
  ssh_user: null,
  ssh_port: null,
  has_token: true,
  created_at: '2026-01-01T11:00:00Z',
  last_seen_at: '2026-01-01T11:59:48Z',
  waiting: true,
  boot_id: null,
  free_disk_bytes: null,
  assignment: null,
  timings: {
    provisioning_seconds: null,
    cloud_init_seconds: null,
    container_seconds: null,
    total_seconds: null,
  },
  deadline: null,
  command_error: null,
  attention: null,
};
export const assignment: NonNullable<Vm['assignment']> = {
  ...assigned,
  assigned_at: '2026-01-01T11:58:00Z',
  command_at: '2026-01-01T11:58:00Z',
  delivered_at: null,
  acknowledged_at: null,
  reassigned_at: null,
  released_at: null,
};

/** The opening tag of the element with this id. */
export function tagOf(html: string, id: string): string {
  const [tag] = new RegExp(`<[a-z]+[^>]* id="${id}"[^>]*>`).exec(html) ?? [];
  if (tag === undefined) throw new Error(`there is no element #${id}`);
  return tag;
}

/** The text of the page without markup, as one line. */
export function textOf(html: string): string {
  return html
    .replace(/<head>[\s\S]*<\/head>/, '')
    .replace(/<[^>]+>/g, ' ')
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replace(/\s+/g, ' ');
}
