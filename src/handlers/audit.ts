// The audit: who did what, and when; as a page, as JSON and as CSV.
import type { HandlersOf } from '../contract/handlers.ts';
import type { components } from '../contract/openapi.gen.ts';
import { problem } from '../contract/problems.ts';
import { viewerOf } from '../contract/role.ts';
import { readAuditChoices, readAuditEvents, type AuditFilter, type AuditRecord } from '../db/audit-events.ts';
import type { Db } from '../db/connect.ts';
import { renderAudit } from '../pages/audit.ts';
import { operationStatusLabels, outcomeLabel } from '../pages/operation-labels.ts';
import { readAuditTimes, type AuditQuery } from '../vms/audit-query.ts';
import { doneWords, isActive, machines } from '../vms/operation.ts';
import { auditText } from '../vms/timeline.ts';
import { csvText } from './csv.ts';
import { json, page } from './replies.ts';

type AuditDependencies = { readonly db: Db; readonly site?: string };
type AuditEvents = components['schemas']['AuditEvents'];

/** Events on one page; the maximum in openapi.yaml. */
const PAGE_EVENTS = 100;
/** Lines of a CSV file. */
const CSV_EVENTS = 100_000;

export function createAuditHandlers({ db, site }: AuditDependencies): HandlersOf<'audit'> {
  return {
    listAuditEvents: async ({ query: { before = '', ...query } }) => {
      const filter = filterOf(query);
      if (!filter.ok) return problem('invalid_request', { errors: filter.failure });
      return json(await readPage(db, filter.value, before));
    },
    downloadAuditCsv: async ({ query }) => {
      const filter = filterOf(query);
      if (!filter.ok) return problem('invalid_request', { errors: filter.failure });
      const events = await readAuditEvents(db, filter.value, { before: null, limit: CSV_EVENTS });
      const headers = { 'Content-Disposition': 'attachment; filename="lablink-audit.csv"' };
      return { status: 200, type: 'text/csv', headers, body: auditCsv(events) };
    },
    auditPage: async ({ query: { before = '', ...query }, caller }) => {
      const filter = filterOf(query);
      const shown = {
        query,
        isFirst: before === '',
        choices: await readAuditChoices(db),
        viewer: viewerOf(caller),
        site,
      };
      if (filter.ok) {
        const events = await readPage(db, filter.value, before);
        return page(renderAudit({ ...shown, events, errors: [] }));
      }
      const events = { items: [], next: null };
      const body = renderAudit({ ...shown, events, errors: filter.failure });
      return { status: 400, type: 'text/html', body };
    },
  };
}

function filterOf(query: AuditQuery) {
  const times = readAuditTimes(query);
  if (!times.ok) return times;
  const { who = '', what = '', target = '' } = query;
  const filter: AuditFilter = {
    ...times.value,
    who: who.trim() || null,
    what: what.trim() || null,
    target: target.trim() || null,
  };
  return { ok: true, value: filter } as const;
}

async function readPage(db: Db, filter: AuditFilter, before: string): Promise<AuditEvents> {
  const options = { before: before === '' ? null : before, limit: PAGE_EVENTS + 1 };
  const found = await readAuditEvents(db, filter, options);
  const items = found.slice(0, PAGE_EVENTS);
  return {
    items: items.map(eventView),
    next: found.length > PAGE_EVENTS ? (items.at(-1)?.id ?? null) : null,
  };
}

function eventView(record: AuditRecord): AuditEvents['items'][number] {
  const { id, at, who, what, detail, hostname, operationId, address } = record;
  return {
    ...{ id, who, what, detail, hostname, address },
    at: at.toISOString(),
    text: auditText(record),
    outcome: outcomeOf(record),
    operation_id: operationId,
  };
}

/** What has become of it: of the request of an operation how that ended, of one machine of it what was done with it. */
function outcomeOf({ what, hostname, operation, vmState }: AuditRecord): string | null {
  if (operation?.kind !== what) return null;
  const { kind, status, done, total } = operation;
  if (hostname !== null) {
    const isOpen = vmState === 'waiting' && !isActive(status);
    // A release is recorded with the event itself.
    return kind === 'release' || vmState === null || isOpen ? null : outcomeLabel(kind, vmState);
  }
  const label = operationStatusLabels[status];
  return status === 'succeeded' || total === 0
    ? label
    : `${label}: ${done} of ${machines(total)} ${doneWords[kind]}`;
}

const COLUMNS = ['at', 'who', 'what', 'detail', 'hostname', 'operation_id', 'address', 'outcome'];

function auditCsv(events: readonly AuditRecord[]): string {
  return csvText([
    COLUMNS,
    ...events.map((event) => {
      const { at, who, what, detail, hostname, operationId, address } = event;
      return [at.toISOString(), who, what, detail, hostname, operationId, address, outcomeOf(event)];
    }),
  ]);
}
