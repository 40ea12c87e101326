// The workshop's settings: what an admin has set, else the defaults of the configuration. They are read whenever they are used (a
// claim compares their version instead), so that every allocator follows at once; a crowd that asks in the same moment is served by
// one statement.
import { sql } from 'kysely';
import { createGroups } from '../async/groups.ts';
import {
  needsCode,
  settingNames,
  withStored,
  type WorkshopChange,
  type WorkshopSettings,
} from '../vms/workshop-settings.ts';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';
import { isOfOneRow } from './errors.ts';
import { NOTHING_STORED, SETTINGS_VERSION } from './settings-version.ts';

export type Settings = {
  readonly read: () => Promise<WorkshopSettings>;
  /** As they were read last, for pages that must work during an outage. */
  readonly last: () => WorkshopSettings;
  /** The same, with their version (settings-version.ts); null before they are read. */
  readonly known: () => { readonly settings: WorkshopSettings; readonly version: string } | null;
  /** Those that an admin had saved when they were read last. */
  readonly saved: () => readonly (keyof WorkshopSettings)[];
  readonly defaults: WorkshopSettings;
  /** Forgets what was saved of these, so that their defaults apply again; audited. Returns all. */
  readonly reset: (names: readonly (keyof WorkshopSettings)[], who: string) => Promise<WorkshopSettings>;
  /** Stores and audits what differs, and returns all. */
  readonly change: (change: WorkshopChange, who: string) => Promise<WorkshopSettings>;
  /** Makes the code, where it is needed and there is none. */
  readonly ensureCode: () => Promise<void>;
};

type Stored = {
  readonly db: Db;
  readonly readOnce: (on: Db) => Promise<WorkshopSettings>;
  readonly newCode: () => string;
};

/** How many read them together, and how many wait at most. */
const GROUP_MAX = 10_000;

/** @param newCode makes a workshop code */
export function createSettings(db: Db, defaults: WorkshopSettings, newCode: () => string): Settings {
  let last = defaults;
  let version: string | null = null;
  let saved: readonly (keyof WorkshopSettings)[] = [];
  const readOnce = async (on: Db): Promise<WorkshopSettings> => {
    const stored = await on
      .selectFrom('settings')
      .select(['key', 'value', sql.raw<string>(SETTINGS_VERSION).as('version')])
      .execute();
    version = stored[0]?.version ?? NOTHING_STORED;
    saved = settingNames.filter((name) => stored.some(({ key }) => key === name));
    return (last = withStored(defaults, stored));
  };
  const groups = createGroups<null, WorkshopSettings>({
    maxSize: GROUP_MAX,
    maxWaiting: GROUP_MAX,
    together: async (items) => {
      const settings = await readOnce(db);
      return items.map(() => settings);
    },
    alone: () => readOnce(db),
    isWorthTryingAlone: isOfOneRow,
  });
  return {
    read: () => groups.serve(null),
    last: () => last,
    known: () => (version === null ? null : { settings: last, version }),
    saved: () => saved,
    defaults,
    reset: (names, who) => reset({ db, readOnce, newCode }, names, who),
    ensureCode: async () => {
      await changeIn(db, {}, SERVER);
    },
    change: (change, who) => changeIn(db, change, who),
  };

  function changeIn(on: Db, asked: WorkshopChange, who: string): Promise<WorkshopSettings> {
    return on.transaction().execute(async (trx) => {
      // Two admins at once: the second one sees what the first one changed.
      await sql`lock table settings in share row exclusive mode`.execute(trx);
      const all = await readOnce(trx);
      const before = new Map<string, unknown>(Object.entries(all));
      const needed = needsCode({ join: asked.join ?? all.join }) && all.code === null;
      const change = needed ? { code: newCode(), ...asked } : asked;
      const changed = Object.entries(change).filter(([key, value]) => before.get(key) !== value);
      for (const [key, value] of changed) await store(trx, { key, value, who });
      if (changed.length > 0)
        await recordAuditEvent(trx, {
          who,
          what: 'settings',
          detail: changed.map(([key]) => LABELS[key] ?? key).join(', '),
        });
      return readOnce(trx);
    });
  }
}

function reset(
  { db, readOnce, newCode }: Stored,
  names: readonly (keyof WorkshopSettings)[],
  who: string,
): Promise<WorkshopSettings> {
  return db.transaction().execute(async (trx) => {
    await sql`lock table settings in share row exclusive mode`.execute(trx);
    const before = await readOnce(trx);
    const rows = await trx.deleteFrom('settings').where('key', 'in', names).returning('key').execute();
    const all = await readOnce(trx);
    const were = names.filter((name) => rows.some(({ key }) => key === name));
    if (were.length > 0) {
      const detail = were
        .map(
          (name) =>
            `${LABELS[name] ?? name} was ${valueText(before[name])}, is the default again: ${valueText(all[name])}`,
        )
        .join('; ');
      await recordAuditEvent(trx, { who, what: 'settings', detail });
    }
    if (!needsCode(all) || all.code !== null) return all;
    await store(trx, { key: 'code', value: newCode(), who });
    return readOnce(trx);
  });
}

/** Who made the code, where the configuration asks for one. */
const SERVER = 'the server';

/** For the audit. */
const LABELS: Readonly<Record<string, string>> = {
  title: 'title',
  instructions: 'instructions',
  contact: 'contact',
  opensAt: 'opening time',
  closesAt: 'closing time',
  join: 'who may join',
  code: 'workshop code',
} satisfies Record<keyof WorkshopSettings, string>;

async function store(
  trx: Db,
  { key, value, who }: { readonly key: string; readonly value: unknown; readonly who: string },
): Promise<void> {
  const row = { value: sql<string>`${JSON.stringify(value)}::jsonb`, changed_by: who };
  await trx
    .insertInto('settings')
    .values({ key, ...row })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ ...row, changed_at: sql<Date>`now()` }))
    .execute();
}

/** Longer ones are cut in the audit. */
const VALUE_SHOWN = 120;

function valueText(value: string | null): string {
  if (value === null) return 'none';
  return `“${value.length > VALUE_SHOWN ? `${value.slice(0, VALUE_SHOWN)}…` : value}”`;
}
