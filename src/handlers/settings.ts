// The workshop's settings.
import type { components } from '../contract/openapi.gen.ts';
import { callerName } from '../contract/caller.ts';
import type { HandlersOf } from '../contract/handlers.ts';
import { problem, type FieldError } from '../contract/problems.ts';
import type { Settings } from '../db/settings.ts';
import { fail, succeed, type Result } from '../result.ts';
import { openingState } from '../vms/workshop-state.ts';
import {
  closesTooEarly,
  workshopChangeSchema,
  type WorkshopChange,
  type WorkshopSettings,
} from '../vms/workshop-settings.ts';
import { json } from './replies.ts';
import type { Clock } from './views.ts';

export type SettingsDependencies = { readonly settings: Settings; readonly now: Clock };

type SettingsView = components['schemas']['Settings'];

export function createSettingsHandlers({ settings, now }: SettingsDependencies): HandlersOf<'settings'> {
  return {
    getSettings: async () => json(settingsView(await settings.read(), now())),
    changeSettings: async ({ body, caller }) => {
      const change = readChange(body, await settings.read());
      if (!change.ok) return problem('invalid_request', { errors: change.failure });
      return json(settingsView(await settings.change(change.value, callerName(caller)), now()));
    },
  };
}

function settingsView(current: WorkshopSettings, now: Date): SettingsView {
  const { title, instructions, contact, opensAt, closesAt, join } = current;
  return {
    ...{ title, instructions, contact, join },
    opens_at: opensAt,
    closes_at: closesAt,
    state: openingState(current, now),
  };
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
