// The workshop's settings, and their page.
import { callerName } from '../contract/caller.ts';
import type { HandlersOf, Input } from '../contract/handlers.ts';
import type { components } from '../contract/openapi.gen.ts';
import { problem, type FieldError } from '../contract/problems.ts';
import { viewerOf, type Viewer } from '../contract/role.ts';
import type { Settings } from '../db/settings.ts';
import { renderRedirect } from '../pages/redirect.ts';
import { renderSettings } from '../pages/settings.ts';
import { fail, succeed, type Result } from '../result.ts';
import { makeCode } from '../vms/workshop-code.ts';
import {
  closesTooEarly,
  needsCode,
  workshopChangeSchema,
  type WorkshopChange,
  type WorkshopSettings,
} from '../vms/workshop-settings.ts';
import { openingState } from '../vms/workshop-state.ts';
import { json } from './replies.ts';
import type { Clock } from './views.ts';

export type SettingsDependencies = {
  readonly settings: Settings;
  readonly now: Clock;
  readonly randomInt: (below: number) => number;
  /** Where participants reach the server. */
  readonly publicAddress: () => string;
  readonly site?: string;
};

type SettingsView = components['schemas']['Settings'];
type Done = NonNullable<Input<'settingsPage'>['query']['done']>;

export function createSettingsHandlers(dependencies: SettingsDependencies): HandlersOf<'settings'> {
  const { settings, randomInt } = dependencies;
  const view = (current: WorkshopSettings) => settingsView(dependencies, current);
  return {
    getSettings: async () => json(view(await settings.read())),
    changeSettings: async ({ body, caller }) => {
      const change = readChange(body, await settings.read());
      if (!change.ok) return problem('invalid_request', { errors: change.failure });
      return json(view(await settings.change(change.value, callerName(caller))));
    },
    settingsPage: async ({ caller, query }) => ({
      status: 200,
      type: 'text/html',
      body: settingsPage(dependencies, await settings.read(), {
        viewer: viewerOf(caller),
        done: query.done ?? null,
      }),
    }),
    saveSettings: async ({ body, caller, accept }) => {
      const current = await settings.read();
      const { action = 'save', ...form } = body;
      const change =
        action === 'save'
          ? readChange(inUtc(form, current), current)
          : succeed(timesOf(action, current, dependencies.now()));
      if (!change.ok) {
        if (accept !== 'text/html') return problem('invalid_request', { errors: change.failure });
        const viewer = viewerOf(caller);
        const body = settingsPage(dependencies, current, { viewer, typed: form, errors: change.failure });
        return { status: 400, type: 'text/html', body };
      }
      const changed = await settings.change(change.value, callerName(caller));
      if (accept !== 'text/html') return json(view(changed));
      return seeSettings(action === 'save' ? 'saved' : action === 'open' ? 'opened' : 'closed');
    },
    resetSettings: async ({ body, caller, accept }) => {
      const names = body.settings.map((name) => NAMES[name]);
      const current = await settings.read();
      const next = {
        ...current,
        ...Object.fromEntries(names.map((name) => [name, settings.defaults[name]])),
      };
      // Other settings do not change it.
      const isOfTimes = names.some((name) => name === 'opensAt' || name === 'closesAt');
      if (isOfTimes && closesTooEarly(next)) {
        const errors = [wrong('closesAt', 'minimum', 'must be after the opening time')];
        if (accept !== 'text/html') return problem('invalid_request', { errors });
        const html = settingsPage(dependencies, current, { viewer: viewerOf(caller), errors });
        return { status: 400, type: 'text/html', body: html };
      }
      const changed = await settings.reset(names, callerName(caller));
      return accept === 'text/html' ? seeSettings('defaults') : json(view(changed));
    },
    rotateWorkshopCode: async ({ caller, accept }) => {
      const changed = await settings.change({ code: makeCode(randomInt) }, callerName(caller));
      return accept === 'text/html' ? seeSettings('code') : json(view(changed));
    },
  };
}

/** What participants open: with the code, where they need one. */
function joinAddress(publicAddress: string, current: WorkshopSettings): string {
  const query = needsCode(current) && current.code !== null ? `?code=${current.code}` : '';
  return `${publicAddress}/${query}`;
}

export function settingsView(
  { now, publicAddress, settings }: Pick<SettingsDependencies, 'now' | 'publicAddress' | 'settings'>,
  current: WorkshopSettings,
): SettingsView {
  const { title, instructions, contact, opensAt, closesAt, join, code } = current;
  return {
    ...{ title, instructions, contact, join, code },
    opens_at: opensAt,
    closes_at: closesAt,
    address: joinAddress(publicAddress(), current),
    state: openingState(current, now()),
    saved: settingNames.filter((name) => settings.saved().includes(NAMES[name])),
    defaults: defaultsView(settings.defaults),
  };
}

type SettingName = components['schemas']['SettingName'];

/** On the wire → here. */
const NAMES = {
  title: 'title',
  instructions: 'instructions',
  contact: 'contact',
  opens_at: 'opensAt',
  closes_at: 'closesAt',
  join: 'join',
} as const satisfies Record<SettingName, keyof WorkshopSettings>;
const settingNames = [
  'title',
  'instructions',
  'contact',
  'opens_at',
  'closes_at',
  'join',
] as const satisfies readonly SettingName[];

function defaultsView(defaults: WorkshopSettings): SettingsView['defaults'] {
  const { title, instructions, contact, opensAt, closesAt, join } = defaults;
  return { title, instructions, contact, opens_at: opensAt, closes_at: closesAt, join };
}

function settingsPage(
  dependencies: SettingsDependencies,
  current: WorkshopSettings,
  shown: {
    readonly viewer: Viewer | null;
    readonly done?: Done | null;
    readonly typed?: components['schemas']['SettingsForm'];
    readonly errors?: readonly FieldError[];
  },
): string {
  return renderSettings({
    site: dependencies.site,
    viewer: shown.viewer,
    settings: settingsView(dependencies, current),
    done: shown.done ?? null,
    typed: shown.typed ?? null,
    errors: shown.errors ?? [],
  });
}

function seeSettings(done: Done) {
  const href = `/admin/settings?done=${done}`;
  return { status: 303, type: 'text/html', headers: { Location: href }, body: renderRedirect(href) } as const;
}

/** A closing time that is still to come stays. */
function timesOf(action: 'open' | 'close', current: WorkshopSettings, now: Date): WorkshopChange {
  if (action === 'close') return { closesAt: now.toISOString() };
  return openingState(current, now) === 'closed' ? { opensAt: null, closesAt: null } : { opensAt: null };
}

/**
 * What a browser's field for a time holds has no zone, and is UTC here. It has no seconds either: a time that stands there as it was
 * shown is not changed.
 */
function inUtc(
  form: components['schemas']['SettingsForm'],
  current: WorkshopSettings,
): components['schemas']['SettingsChange'] {
  const { opens_at: opens = null, closes_at: closes = null, ...others } = form;
  return {
    ...others,
    ...(opens !== null && { opens_at: momentOf(opens, current.opensAt) }),
    ...(closes !== null && { closes_at: momentOf(closes, current.closesAt) }),
  };
}

const LOCAL_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?$/;

function momentOf(typed: string, current: string | null): string {
  if (!LOCAL_TIME.test(typed)) return typed;
  if (current?.startsWith(typed) === true) return current;
  return typed.length === 'YYYY-MM-DDTHH:MM'.length ? `${typed}:00Z` : `${typed}Z`;
}

/** What is wrong has the name of its field on the wire. */
function readChange(
  body: components['schemas']['SettingsChange'],
  current: WorkshopSettings,
): Result<WorkshopChange, readonly FieldError[]> {
  const { opens_at: opensAt, closes_at: closesAt, ...others } = body;
  const given = Object.entries({ ...others, opensAt, closesAt }).filter(([, value]) => value !== undefined);
  const read = workshopChangeSchema.safeParse(Object.fromEntries(given));
  if (!read.success)
    return fail(read.error.issues.map(({ path, message }) => wrong(String(path[0]), 'format', message)));
  const { opensAt: opens = current.opensAt, closesAt: closes = current.closesAt } = read.data;
  if (closesTooEarly({ opensAt: opens, closesAt: closes }))
    return fail([wrong('closesAt', 'minimum', 'must be after the opening time')]);
  return succeed(read.data);
}

function wrong(setting: string, code: string, message: string): FieldError {
  const field = WIRE_NAMES[setting] ?? setting;
  return { field, code, message: `${field} ${message}` };
}

/** Where they differ. */
const WIRE_NAMES: Readonly<Record<string, string>> = { opensAt: 'opens_at', closesAt: 'closes_at' };
