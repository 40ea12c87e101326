// The list of participants, and the preview of a new one.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { counted, momentView } from './format.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';

type Roster = components['schemas']['Roster'];
type Preview = components['schemas']['RosterPreview'];
type Entry = Roster['items'][number];

export type RosterModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly roster: Roster;
  readonly done: keyof typeof doneSentences | null;
  /** Of a table that could not be read. */
  readonly error: { readonly typed: string; readonly message: string } | null;
};

const doneSentences = {
  taken: 'The list of participants was replaced. Participants who have a machine keep it.',
  allowed: 'The participant was added to the list. They can submit the form again now.',
} as const;

/** The page lists so many of each kind; the API has all. */
const SHOWN = 500;

export function renderRoster({ site, viewer, roster, done, error }: RosterModel): string {
  return render('roster', {
    ...rosterLayout({ site, viewer }, error !== null),
    done: done && doneSentences[done],
    error: error && error.message,
    typed: error?.typed ?? '',
    title: 'On the list',
    ...groupView('people', roster.items),
    count: roster.items.length,
    anyRequests: roster.requests.length > 0,
    requests: roster.requests.map(({ email, times, last_at: lastAt }) => ({
      email,
      times: counted(times, 'time'),
      last: momentView(lastAt),
    })),
  });
}

export function renderRosterPreview({
  site,
  viewer,
  preview,
}: {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly preview: Preview;
}): string {
  const { id, added, changed, gone, unchanged, doubtful } = preview;
  return render('roster-preview', {
    ...rosterLayout({ site, viewer }, false),
    take: `/api/v1/roster/uploads/${id}/take`,
    total: counted(added.length + changed.length + unchanged, 'participant'),
    groups: [
      { title: 'Added', ...groupView('people', added) },
      { title: 'Changed', ...groupView('people', changed) },
      { title: 'Gone', ...groupView('people', gone) },
    ],
    unchanged,
    anyDoubtful: doubtful.length > 0,
    doubtfulCount: doubtful.length,
    doubtful: doubtful.slice(0, SHOWN).map(({ row, text, problem, left_out: isLeftOut }) => ({
      ...{ row, text, problem },
      fate: isLeftOut ? 'Left out' : 'Taken',
    })),
  });
}

function rosterLayout({ site, viewer }: Pick<RosterModel, 'site' | 'viewer'>, isError: boolean) {
  return layoutView({
    site,
    viewer,
    title: 'List of participants',
    area: 'admin',
    current: '/admin/settings',
    styles: ['admin.css'],
    modules: ['roster.js'],
    isError,
  });
}

function groupView(name: string, entries: readonly Entry[]): View {
  const more = entries.length - SHOWN;
  return {
    any: entries.length > 0,
    size: entries.length,
    [name]: entries
      .slice(0, SHOWN)
      .map(({ email, name: person, group, note }) => ({ email, person, group, note })),
    more: more > 0 ? more : null,
  };
}
