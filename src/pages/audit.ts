// The page of the audit: who did what, and when.
import type { components } from '../contract/openapi.gen.ts';
import type { FieldError } from '../contract/problems.ts';
import type { Viewer } from '../contract/role.ts';
import { auditParameters, type AuditQuery } from '../vms/audit-query.ts';
import { actionText } from '../vms/timeline.ts';
import { errorOf, momentView } from './format.ts';
import { operationPageHref, vmPageHref } from './hrefs.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';

type AuditEvent = components['schemas']['AuditEvent'];

export type AuditModel = {
  readonly events: components['schemas']['AuditEvents'];
  /** As it was typed. */
  readonly query: AuditQuery;
  /** What stands in the audit at all. */
  readonly choices: { readonly who: readonly string[]; readonly what: readonly string[] };
  /** Whether this is the page of the newest. */
  readonly isFirst: boolean;
  readonly errors: readonly FieldError[];
  readonly viewer: Viewer | null;
  readonly site?: string | undefined;
};

const HERE = '/admin/audit';

export function renderAudit(model: AuditModel): string {
  const { events, query, choices, isFirst, errors, viewer, site } = model;
  const { next } = events;
  const parameters = auditParameters(query);
  const isFiltered = parameters.size > 0;
  return render('audit', {
    ...layoutView({
      site,
      viewer,
      title: 'Audit',
      area: 'admin',
      current: HERE,
      styles: ['admin.css'],
      isError: errors.length > 0,
    }),
    who: optionsOf(choices.who, query.who, (name) => name),
    what: optionsOf(choices.what, query.what, actionText),
    target: query.target ?? '',
    from: query.from ?? '',
    to: query.to ?? '',
    errors: { from: errorOf(errors, 'from'), to: errorOf(errors, 'to') },
    isWrong: errors.length > 0,
    any: events.items.length > 0,
    isFiltered,
    isFirst,
    events: events.items.map(eventView),
    csv: hrefOf('/api/v1/audit.csv', parameters),
    here: hrefOf(HERE, parameters),
    hasPages: next !== null || !isFirst,
    newest: isFirst ? null : hrefOf(HERE, parameters),
    older: next === null ? null : hrefOf(HERE, new URLSearchParams([...parameters, ['before', next]])),
  });
}

function hrefOf(path: string, parameters: URLSearchParams): string {
  return parameters.size === 0 ? path : `${path}?${parameters.toString()}`;
}

/** A value that is asked for and stands nowhere is offered all the same: the filter is what it says. */
function optionsOf(values: readonly string[], chosen = '', labelOf: (value: string) => string): View[] {
  const all = chosen === '' || values.includes(chosen) ? values : [chosen, ...values];
  return all.map((value) => ({ value, label: labelOf(value), selected: value === chosen }));
}

function eventView(event: AuditEvent): View {
  const { id, who, text, outcome, detail, hostname, operation_id: operationId, address } = event;
  return {
    ...{ id, who, text, outcome, detail, hostname, address },
    ...momentView(event.at),
    machineHref: hostname === null ? null : vmPageHref(hostname),
    operationHref: operationId === null ? null : operationPageHref(operationId),
  };
}
