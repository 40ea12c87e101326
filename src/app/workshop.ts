// The workshop's settings: the defaults of the configuration, and the code where they ask for one.
import { randomInt } from 'node:crypto';
import type { Config } from '../config.ts';
import { createSettings, type Settings } from '../db/settings.ts';
import { makeCode } from '../vms/workshop-code.ts';
import type { WorkshopSettings } from '../vms/workshop-settings.ts';
import type { Data } from './data.ts';

export async function openSettings(config: Config, { database }: Data): Promise<Settings> {
  const settings = createSettings(database.db, defaultsOf(config), () =>
    makeCode((below) => randomInt(below)),
  );
  await settings.ensureCode();
  return settings;
}

/** What holds as long as no admin has set anything else. */
function defaultsOf({ workshop }: Config): WorkshopSettings {
  const { title, instructions, contact, opensAt, closesAt, join } = workshop;
  const orNull = (value: string | undefined): string | null => value ?? null;
  return {
    title: orNull(title),
    instructions: orNull(instructions),
    contact: orNull(contact),
    opensAt: orNull(opensAt),
    closesAt: orNull(closesAt),
    join,
    code: null,
  };
}
