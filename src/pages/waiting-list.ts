// The organiser's page of the waiting list: who waits and since when, and what can be done about it.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { counted } from './format.ts';
import { layoutView } from './layout.ts';
import { timeView } from './machine-row.ts';
import { render, type View } from './render.ts';
import { vmPageHref } from './hrefs.ts';

type WaitingList = components['schemas']['WaitingList'];
type Person = WaitingList['items'][number];

export type WaitingListModel = {
  readonly list: WaitingList;
  /** Whether this server launches machines itself. */
  readonly launches: boolean;
  readonly now: Date;
  /** The person that was meant is not on the list any more. */
  readonly isGone?: boolean;
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
};

export function renderWaitingList({
  list,
  launches,
  now,
  isGone = false,
  site,
  viewer,
}: WaitingListModel): string {
  const { items, missing, message } = list;
  return render('waiting-list', {
    ...layoutView({
      site,
      viewer,
      title: 'Waiting list',
      area: 'admin',
      current: '/admin/waiting-list',
      styles: ['admin.css'],
      modules: ['live-page.js'],
      refresh: { seconds: REFRESH_SECONDS, href: '/admin/waiting-list' },
    }),
    message,
    isGone,
    launch: launches ? launchView(missing) : null,
    any: items.length > 0,
    people: items.map((person, index) => personView(person, { now, index, last: items.length - 1 })),
  });
}

/** Without JavaScript, the page loads itself anew. */
const REFRESH_SECONDS = 20;

/** Null where no machine is missing. */
export function launchView(missing: number): View | null {
  return missing === 0
    ? null
    : {
        label: `Launch ${missing} more`,
        what: counted(missing, 'machine'),
        href: `/admin/create?num_vms=${missing}`,
      };
}

function personView(
  person: Person,
  { now, index, last }: { readonly now: Date; readonly index: number; readonly last: number },
): View {
  const { id, email, name = null, hostname } = person;
  const action = `/api/v1/waiting-list/${id}`;
  return {
    ...{ id, email, name, hostname },
    number: index + 1,
    since: timeView(person.since, now),
    ...standingOf(person),
    machineHref: hostname === null ? null : vmPageHref(hostname),
    mayBeCalled: person.state === 'waiting' && !person.is_called,
    moves: [
      ...(index > 0
        ? [
            { to: 'first', label: 'First' },
            { to: 'up', label: 'Up' },
          ]
        : []),
      ...(index < last
        ? [
            { to: 'down', label: 'Down' },
            { to: 'last', label: 'Last' },
          ]
        : []),
    ],
    action,
    key: id,
    notes: [
      ...(person.state === 'waiting' && !person.is_called && !person.is_present
        ? ['Their page is not open: skipped']
        : []),
      ...(person.missed > 0 ? [`Missed ${counted(person.missed, 'reservation')}`] : []),
    ],
  };
}

function standingOf(person: Person): View {
  if (person.state === 'reserved') return { status: 'running', standing: 'A machine is reserved' };
  if (person.is_called) return { status: 'busy', standing: 'Called: gets the next machine' };
  return { status: person.is_present ? 'ok' : 'unused', standing: 'Waiting' };
}
