// The page that asks for confirmation before an action on several machines: it names who is affected, and with which machines the
// action is not possible.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { SELECTED_MAX, type BulkAction } from '../vms/selected.ts';
import { counted } from './format.ts';
import { vmPageHref } from './hrefs.ts';
import { layoutView } from './layout.ts';
import { runningView } from './operations.ts';
import { render, type View } from './render.ts';

type Preview = components['schemas']['SelectionPreview'];
type SelectedVm = Preview['items'][number];

export type SelectedModel = {
  readonly site?: string | undefined;
  readonly viewer: Viewer | null;
  readonly preview: Preview;
  /** Of the form: a second click is answered with the same operation. */
  readonly idempotencyKey: string;
  /** The operation that this one would have to wait for. */
  readonly running: components['schemas']['Operation'] | null;
  /** The table of machines, as it was left. */
  readonly back: string;
  /** Why nothing was done. */
  readonly error: string | null;
};

const verbs = {
  release: 'Release',
  restart: 'Restart',
  destroy: 'Destroy',
  download: 'Download the files of',
} as const satisfies Record<BulkAction, string>;

/** Titles where it is possible with none of them. */
const impossible = {
  release: 'No machine can be released',
  restart: 'No machine can be restarted',
  destroy: 'No machine can be destroyed',
  download: 'No files can be downloaded',
} as const satisfies Record<BulkAction, string>;

/** More names are behind a click, so that the button stays in sight. */
const NAMES_SHOWN = 100;

export function renderSelected(model: SelectedModel): string {
  const { site, viewer, preview, idempotencyKey, running, error } = model;
  const { action, items, possible, message } = preview;
  const isEmpty = items.length === 0;
  const included = items.filter(({ hindrance }) => hindrance === null);
  const label = `${verbs[action]} ${counted(possible, 'machine')}`;
  const title = isEmpty ? 'Select machines' : possible === 0 ? impossible[action] : label;
  const people = included.filter(({ email }) => email !== null);
  const others = included.filter(({ email }) => email === null);
  // What holds for all of them is said once.
  const [common = null] = included.map(({ note }) => note);
  const isCommon = included.every(({ note }) => note === common);
  return render('selected', {
    ...layoutView({
      ...{ site, viewer, title },
      area: 'admin',
      current: '/admin/instances',
      styles: ['operations.css'],
      isError: error !== null,
    }),
    error,
    message,
    common: isCommon ? common : null,
    limit: SELECTED_MAX.toLocaleString('en'),
    isEmpty,
    // There the ticks are restored; see browser/machine-selection.ts.
    back: `${model.back}#bulk`,
    running: running && runningView(running),
    is: Object.fromEntries(Object.keys(verbs).map((name) => [name, name === action])),
    people: listView(people, isCommon),
    others: listView(others, isCommon),
    left: listView(
      items.filter(({ hindrance }) => hindrance !== null),
      isCommon,
    ),
    // What would be lost can be saved first.
    offersDownload: people.length > 0 && (action === 'release' || action === 'destroy'),
    form:
      possible === 0
        ? null
        : {
            action: `/api/v1/selected-vms/${action}`,
            label,
            danger: action === 'release' || action === 'destroy',
            fields: fieldsOf(included),
            key: action === 'download' ? null : idempotencyKey,
          },
  });
}

/** Null where there are none. */
function listView(items: readonly SelectedVm[], isNoteCommon: boolean): View | null {
  if (items.length === 0) return null;
  const views = items.map(({ hostname, status, email, name, work, hindrance, note }) => ({
    ...{ hostname, email, name, work, hindrance },
    note: isNoteCommon ? null : note,
    href: status === null ? null : vmPageHref(hostname),
  }));
  const rest = views.slice(NAMES_SHOWN);
  return {
    count: items.length,
    first: views.slice(0, NAMES_SHOWN),
    more: rest.length > 0 && { count: rest.length, rest },
  };
}

/** The machines, and the participants that were named: nobody else may be affected. */
function fieldsOf(items: readonly SelectedVm[]): View[] {
  return items.flatMap(({ hostname, assignment_id: id }) => [
    { name: 'hostnames', value: hostname },
    ...(id === null ? [] : [{ name: 'assignment_ids', value: id }]),
  ]);
}
