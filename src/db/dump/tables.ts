// What a dump contains: every table of ours by name, so that a new one cannot be forgotten.
import type { DB } from '../schema.gen.ts';

/**
 * `dumped`: as the text of COPY, the same in every major version of Postgres and for every type. `binary`: many rows, and only columns of
 * types whose binary form is that of the wire (text, bigint, timestamptz), which is the same in every major too, and half the work.
 * `made`: the migrations create its rows.
 */
const tables = {
  accounts: 'dumped',
  assignment_changes: 'dumped',
  assignments: 'dumped',
  audit_events: 'dumped',
  backups: 'dumped',
  deployment_identity: 'dumped',
  notification_deliveries: 'dumped',
  notification_recipients: 'dumped',
  notifications: 'dumped',
  operation_events: 'dumped',
  operation_vms: 'dumped',
  operations: 'dumped',
  roster: 'dumped',
  roster_requests: 'dumped',
  roster_uploads: 'dumped',
  schedule: 'dumped',
  schema_compatibility: 'made',
  settings: 'dumped',
  tombstones: 'dumped',
  vm_downloads: 'dumped',
  vm_events: 'dumped',
  vm_hours: 'dumped',
  vm_log_cuts: 'dumped',
  vm_logs: 'binary',
  vm_presence: 'dumped',
  vm_state_samples: 'dumped',
  vm_timings: 'dumped',
  vms: 'dumped',
  waiting_list: 'dumped',
  waiting_presence: 'dumped',
  wrong_codes: 'dumped',
} as const satisfies Record<keyof DB, 'dumped' | 'binary' | 'made'>;

export const ROW_FORMATS = ['text', 'binary'] as const;
export type RowFormat = (typeof ROW_FORMATS)[number];

/** In this order, which has no meaning: references are added when all rows are there. */
export const DUMPED_TABLES: ReadonlyMap<string, RowFormat> = new Map(
  Object.entries(tables).flatMap(([name, kind]): [string, RowFormat][] => {
    if (kind === 'made') return [];
    return [[name, kind === 'binary' ? 'binary' : 'text']];
  }),
);
