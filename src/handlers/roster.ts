// The roster: shown, uploaded with a preview, taken, and one person allowed.
import { callerName } from '../contract/caller.ts';
import type { HandlersOf } from '../contract/handlers.ts';
import type { components } from '../contract/openapi.gen.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import { viewerOf } from '../contract/role.ts';
import type { Db } from '../db/connect.ts';
import { allowOnRoster, keepUpload, listRoster, listRosterRequests, takeUpload } from '../db/roster.ts';
import { renderRedirect } from '../pages/redirect.ts';
import { renderRoster, renderRosterPreview } from '../pages/roster.ts';
import { normalizeEmail } from '../vms/email.ts';
import { readRoster, rosterChange } from '../vms/roster.ts';
import { json, page } from './replies.ts';

export type RosterDependencies = {
  readonly db: Db;
  readonly randomUuid: () => string;
  readonly site?: string;
};

type RosterView = components['schemas']['Roster'];

export function createRosterHandlers(dependencies: RosterDependencies): HandlersOf<'roster'> {
  const { db, site, randomUuid } = dependencies;
  return {
    getRoster: async () => json(await rosterView(db)),
    rosterPage: async ({ query, caller }) =>
      page(
        renderRoster({
          site,
          viewer: viewerOf(caller),
          roster: await rosterView(db),
          done: query.done ?? null,
          error: null,
        }),
      ),
    uploadRoster: async ({ body, caller, accept }) => {
      const { entries, doubtful } = readRoster(body.csv);
      if (entries.length === 0) {
        if (accept !== 'text/html') return problem('invalid_request', { errors: [NO_ENTRY] });
        const roster = await rosterView(db);
        const html = renderRoster({
          site,
          viewer: viewerOf(caller),
          roster,
          done: null,
          error: { typed: body.csv, message: NO_ENTRY.message },
        });
        return { status: 400, type: 'text/html', body: html };
      }
      const id = randomUuid();
      await keepUpload(db, { id, entries, who: callerName(caller) });
      const { added, changed, gone, unchanged } = rosterChange(await listRoster(db), entries);
      const preview = {
        ...{ id, unchanged, added: [...added], changed: [...changed], gone: [...gone] },
        doubtful: doubtful.map(({ isLeftOut, ...row }) => ({ ...row, left_out: isLeftOut })),
      };
      return accept === 'text/html'
        ? page(renderRosterPreview({ site, viewer: viewerOf(caller), preview }))
        : json(preview);
    },
    takeRoster: async ({ path, caller, accept }) => {
      if (!(await takeUpload(db, path.id, callerName(caller)))) throw new ProblemError('upload_not_found');
      return accept === 'text/html' ? seeRoster('taken') : json(await rosterView(db));
    },
    allowParticipant: async ({ body, caller, accept }) => {
      const email = normalizeEmail(body.email);
      if (email === null)
        throw new ProblemError('invalid_request', {
          errors: [{ field: 'email', code: 'format', message: 'email is not an e-mail address' }],
        });
      await allowOnRoster(db, email, callerName(caller));
      return accept === 'text/html' ? seeRoster('allowed') : json(await rosterView(db));
    },
  };
}

const NO_ENTRY = { field: 'csv', code: 'required', message: 'The table has no row with an e-mail address.' };

async function rosterView(db: Db): Promise<RosterView> {
  const [items, requests] = await Promise.all([listRoster(db), listRosterRequests(db)]);
  return {
    items,
    requests: requests.map(({ email, times, lastAt }) => ({ email, times, last_at: lastAt.toISOString() })),
  };
}

function seeRoster(done: 'taken' | 'allowed') {
  const href = `/admin/roster?done=${done}`;
  return { status: 303, type: 'text/html', headers: { Location: href }, body: renderRedirect(href) } as const;
}
