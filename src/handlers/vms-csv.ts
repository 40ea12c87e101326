// VMs as CSV.
import type { components } from '../contract/openapi.gen.ts';
import { csvText, type Cell } from './csv.ts';

type Vm = components['schemas']['Vm'];

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

/** A header line, then one line per VM. */
export function vmsCsv(vms: readonly Vm[]): string {
  const lines = vms.map((vm) => Object.values(columns).map((read) => read(vm)));
  return csvText([Object.keys(columns), ...lines]);
}
