// VMs as CSV (RFC 4180). Values that a spreadsheet could read as a formula are prefixed with an apostrophe.
import type { components } from '../contract/openapi.gen.ts';

type Vm = components['schemas']['Vm'];
type Cell = string | number | boolean | null;

const columns = {
  hostname: (vm) => vm.hostname,
  status: (vm) => vm.status,
  status_since: (vm) => vm.status_since,
  provider: (vm) => vm.provider,
  address: (vm) => vm.address,
  email: (vm) => vm.assignment?.email ?? null,
  assignment: (vm) => vm.assignment?.state ?? null,
  assigned_at: (vm) => vm.assignment?.assigned_at ?? null,
  in_use: (vm) => vm.in_use,
  gpu_health: (vm) => vm.gpu_health,
  last_seen_at: (vm) => vm.last_seen_at,
  waiting: (vm) => vm.waiting,
  free_disk_bytes: (vm) => vm.free_disk_bytes,
  provisioning_seconds: (vm) => vm.timings.provisioning_seconds,
  cloud_init_seconds: (vm) => vm.timings.cloud_init_seconds,
  container_seconds: (vm) => vm.timings.container_seconds,
  total_seconds: (vm) => vm.timings.total_seconds,
  overdue: (vm) => vm.deadline?.overdue_message ?? null,
  name: (vm) => vm.assignment?.name ?? null,
} as const satisfies Record<string, (vm: Vm) => Cell>;

/** A header line, then one line per VM; lines end with CR LF. */
export function vmsCsv(vms: readonly Vm[]): string {
  const lines = vms.map((vm) => Object.values(columns).map((read) => cell(read(vm))));
  return [Object.keys(columns), ...lines].map((line) => `${line.join(',')}\r\n`).join('');
}

/** Values that begin with one of these could be read as a formula. */
const FORMULA = /^[=+\-@\t\r\n]/;

function cell(value: Cell): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  const plain = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
