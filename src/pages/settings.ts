// The page on which an admin sets when the workshop is open, who may join, and what participants read.
import type { components } from '../contract/openapi.gen.ts';
import type { FieldError } from '../contract/problems.ts';
import type { Viewer } from '../contract/role.ts';
import { showCode } from '../vms/workshop-code.ts';
import { joinModes } from '../vms/workshop-settings.ts';
import { momentView } from './format.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';

type Settings = components['schemas']['Settings'];
type Form = components['schemas']['SettingsForm'];

export type SettingsModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly settings: Settings;
  readonly done: keyof typeof doneSentences | null;
  /** What was typed and refused; null shows what is set. */
  readonly typed: Form | null;
  readonly errors: readonly FieldError[];
};

const doneSentences = {
  saved: 'The settings were saved. They are valid now.',
  opened: 'The workshop is open.',
  defaults: 'The default applies again.',
  closed: 'The workshop is closed. Participants keep their machines until you destroy them.',
  code: 'The workshop has a new code. The old one is not valid any more; participants who have a machine keep it.',
} as const;

const joinLabels = {
  open: 'Everyone who has the address',
  code: 'Everyone who has the workshop code',
  roster: 'Everyone on the list of participants',
  roster_and_code: 'Everyone on the list of participants who has the workshop code',
} as const satisfies Record<Settings['join'], string>;

const stateLabels = { scheduled: 'Scheduled', open: 'Open', closed: 'Closed' } as const;

const fieldLabels: Readonly<Record<string, string>> = {
  title: 'The title',
  instructions: 'The text for participants',
  contact: 'The contact',
  opens_at: 'The opening time',
  closes_at: 'The closing time',
};

export function renderSettings(model: SettingsModel): string {
  const { settings, done, typed, errors } = model;
  const { state, code, join } = settings;
  return render('settings', {
    ...layoutView({
      site: model.site,
      viewer: model.viewer,
      title: 'Settings',
      area: 'admin',
      current: '/admin/settings',
      styles: ['admin.css'],
      modules: ['settings.js'],
      isError: errors.length > 0,
    }),
    done: done && doneSentences[done],
    hasErrors: errors.length > 0,
    wrong: errors.map(({ field, message }) => ({
      anchor: field.replaceAll('_', '-'),
      message: withLabel(field, message),
    })),
    errors: Object.fromEntries(
      [...Object.keys(fieldLabels), 'join'].map((name) => [name, messageOf(errors, name)]),
    ),
    values: valuesOf(settings, typed),
    joins: joinModes.map((mode) => ({
      mode,
      label: joinLabels[mode],
      checked: (typed?.join ?? join) === mode,
    })),
    facts: factsView(settings),
    saved: savedView(settings),
    standing: standingView(settings),
    isOpen: state === 'open',
    isRosterUsed: join === 'roster' || join === 'roster_and_code',
    code: code === null ? null : codeView(code, join),
  });
}

/** For those who may not change them. */
function factsView({ title, instructions, contact, join }: Settings): readonly View[] {
  return [
    { label: 'Title', value: title ?? NOT_SET },
    { label: 'Text for participants', value: instructions ?? NOT_SET },
    { label: 'Contact', value: contact ?? NOT_SET },
    { label: 'Who may join', value: joinLabels[join] },
  ];
}

const NOT_SET = '–';

/** Settings whose default was replaced; null where none was. */
function savedView({ saved, defaults }: Settings): View | null {
  if (saved.length === 0) return null;
  const textOf = (name: Settings['saved'][number]): string =>
    name === 'join' ? joinLabels[defaults.join] : (defaults[name] ?? 'none');
  return { items: saved.map((name) => ({ name, label: savedLabels[name], value: shorten(textOf(name)) })) };
}

const DEFAULT_SHOWN = 80;

function shorten(text: string): string {
  return text.length <= DEFAULT_SHOWN ? text : `${text.slice(0, DEFAULT_SHOWN)}…`;
}

const savedLabels = {
  title: 'Title',
  instructions: 'Text for participants',
  contact: 'Contact',
  opens_at: 'Opens at',
  closes_at: 'Closes at',
  join: 'Who may join',
} as const satisfies Record<Settings['saved'][number], string>;

function standingView({ state, opens_at: opensAt, closes_at: closesAt }: Settings): View {
  return {
    label: stateLabels[state],
    status: state === 'open' ? 'running' : state === 'closed' ? 'error' : 'initializing',
    isScheduled: state === 'scheduled',
    isClosed: state === 'closed',
    opens: state === 'scheduled' ? momentView(opensAt) : null,
    closes: state === 'closed' ? null : momentView(closesAt),
    closed: state === 'closed' ? momentView(closesAt) : null,
  };
}

function codeView(code: string, join: Settings['join']): View {
  const isUsed = join === 'code' || join === 'roster_and_code';
  return { shown: showCode(code), isUsed, copies: showCode(code), what: 'code' };
}

/** Times as the browser's field takes them, in UTC. */
function valuesOf(settings: Settings, typed: Form | null): View {
  const time = (timestamp: string | null): string =>
    timestamp === null ? '' : timestamp.slice(0, 'YYYY-MM-DDTHH:MM'.length);
  return {
    title: typed?.title ?? settings.title ?? '',
    instructions: typed?.instructions ?? settings.instructions ?? '',
    contact: typed?.contact ?? settings.contact ?? '',
    opens_at: typed?.opens_at ?? time(settings.opens_at),
    closes_at: typed?.closes_at ?? time(settings.closes_at),
  };
}

function messageOf(errors: readonly FieldError[], name: string): string | null {
  const found = errors.find(({ field }) => field === name);
  return found ? withLabel(name, found.message) : null;
}

/** `opens_at is not a time …` → `The opening time is not a time …`. */
function withLabel(field: string, message: string): string {
  const label = fieldLabels[field];
  const named = label !== undefined && message.startsWith(`${field} `);
  return `${named ? label + message.slice(field.length) : message}.`;
}
