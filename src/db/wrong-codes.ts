// How many wrong workshop codes were sent, to whichever allocator. Right ones write nothing, and what was counted is read at most once a
// second, so that a crowd with the right code does not notice it.
import { sql } from 'kysely';
import { WRONG_CODES_IN_ALL, WRONG_CODES_WINDOW_MS } from '../vms/workshop-code.ts';
import type { Db } from './connect.ts';

const CACHE_MS = 1_000;
const WINDOW = sql`make_interval(secs => ${sql.lit(WRONG_CODES_WINDOW_MS / 1_000)})`;

type Cached = { readonly code: string; readonly atMs: number; readonly waitSeconds: Promise<number> };
const cache = new WeakMap<Db, Cached>();

/** @param code the one that is valid: with a new one, counting begins anew */
export async function recordWrongCode(db: Db, code: string): Promise<void> {
  await sql`
    with old as (delete from wrong_codes where minute < now() - ${WINDOW})
    insert into wrong_codes as w (code, minute) values (${code}, date_trunc('minute', now()))
    on conflict (code, minute) do update set times = w.times + 1`.execute(db);
}

/** How long the next code has to wait because of all that were wrong, in seconds; 0 = it is looked at. As of a second ago at most. */
export function waitAfterWrongCodes(db: Db, code: string, now: Date): Promise<number> {
  const nowMs = now.getTime();
  const cached = cache.get(db);
  if (cached?.code === code && nowMs >= cached.atMs && nowMs - cached.atMs < CACHE_MS)
    return cached.waitSeconds;
  const waitSeconds = readWait(db, code);
  cache.set(db, { code, atMs: nowMs, waitSeconds });
  waitSeconds.catch(() => cache.delete(db));
  return waitSeconds;
}

/** Until the oldest minute that counts is over. */
async function readWait(db: Db, code: string): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select ceil(extract(epoch from min(minute) + ${WINDOW} - now()))::int as seconds
    from wrong_codes where code = ${code} and minute > now() - ${WINDOW}
    having sum(times) >= ${WRONG_CODES_IN_ALL}`.execute(db);
  return rows[0] ? Math.max(1, rows[0].seconds) : 0;
}
