// Who looks at the page of a place, and the best estimate that it has shown. Pages ask all the time: those of one moment are one
// statement, and what is recent is not written again.
import { sql, type RawBuilder } from 'kysely';
import type { Db } from './connect.ts';
import { BOUNDED, grouped } from './grouped.ts';

/** A page asks every few seconds; this often, it is written. */
const PRESENCE_SECONDS = 10;
/** In one statement, and how many wait for theirs. */
const MAX_NOTED = 200;
const MAX_NOTED_WAITING = 2_000;

export type Presence = {
  /** Of the place. */
  readonly id: string;
  /** The wait that the page shows, a step of vms/waiting.ts; null = not known. Only a shorter one is kept. */
  readonly step: number | null;
};

/** Whether the presence in this alias of `waiting_presence` need not be written again. */
export const isRecent = (presence: string): RawBuilder<boolean> =>
  sql`${sql.ref(`${presence}.present_at`)} > now() - make_interval(secs => ${sql.lit(PRESENCE_SECONDS)})`;

/** The page of this place asked. Nothing happens where there is no such place. */
export async function notePresence(db: Db, presence: Presence): Promise<void> {
  await noteInGroup(db, presence);
}

const noteInGroup = grouped<Presence, true>({
  name: 'waiting pages',
  keyOf: ({ id }) => id,
  maxSize: MAX_NOTED,
  maxWaiting: MAX_NOTED_WAITING,
  together: async (db, pages) => {
    await note(db, pages, BOUNDED);
    return pages.map(() => true);
  },
  alone: async (db, page) => {
    await note(db, [page], '');
    return true;
  },
});

/** In the order of ids, so that two allocators never wait for each other. */
async function note(db: Db, pages: readonly Presence[], bounded: string): Promise<void> {
  await sql`
    insert into waiting_presence as p (id, best_estimate_step)
    select w.id, given.step
    from unnest(${pages.map(({ id }) => id)}::uuid[], ${pages.map(({ step }) => step)}::int[]) as given (id, step)
      join waiting_list w on w.id = given.id${sql.raw(bounded)}
    order by w.id
    on conflict (id) do update set
      present_at = case when ${isRecent('p')} then p.present_at else now() end,
      best_estimate_step = least(p.best_estimate_step, excluded.best_estimate_step)
    where not ${isRecent('p')} or excluded.best_estimate_step < coalesce(p.best_estimate_step, excluded.best_estimate_step + 1)`.execute(
    db,
  );
}
