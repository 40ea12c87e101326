// A participant's own files, from their machine alone, for a browser that may open the page of the machine.
import type { Collector } from '../collect/collector.ts';
import type { Handler } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';
import { findAssignment } from '../db/assignments.ts';
import type { Db } from '../db/connect.ts';
import { findOwnMachine, listDownloadTargets } from '../db/downloads.ts';
import type { Settings } from '../db/settings.ts';
import type { OwnFilesModel } from '../pages/success.ts';
import { openingState } from '../vms/workshop-state.ts';
import { targetOf, zipReply, type DownloadDependencies } from './downloads.ts';
import type { Clock } from './views.ts';

export type OwnFilesDependencies = Omit<DownloadDependencies, 'collector'> & {
  readonly now: Clock;
  readonly settings: Settings;
  /** Apart from the admin's: participants who all download at the end take no place of the organiser's. */
  readonly ownCollector: Collector;
};

const NOT_REACHED = 'Your machine could not be reached. Try again in a minute, or ask your instructor.';
const NOTHING =
  'No files were found on your machine. Save your work in the folder that your instructor named, then try again.';
const RUNNING = 'Your files are being downloaded already. Wait until that download has finished.';
const TOO_MANY = 'Many participants are downloading their files right now. Try again in a minute.';
const RETRY_SECONDS = '30';

export function downloadOwnFilesHandler(dependencies: OwnFilesDependencies): Handler<'downloadOwnFiles'> {
  const { db, ownCollector } = dependencies;
  const running = new Set<string>();
  return async ({ path: { id }, browserId, caller, signal }) => {
    const record = await findAssignment(db, id);
    const isTheirs = record !== null && browserId !== null && record.browsers.includes(browserId);
    if (!record || record.releasedAt !== null || !(isTheirs || caller.kind === 'admin'))
      throw new ProblemError('assignment_not_found');
    if (running.has(id)) throw later(RUNNING);
    running.add(id);
    const end = (): void => void running.delete(id);
    try {
      const { hostname, email } = record;
      const targets = (await listDownloadTargets(db, [hostname])).map((row) => targetOf(dependencies, row));
      if (targets.length === 0) throw new ProblemError('download_failed', { detail: NOT_REACHED });
      const onComplete = () => Promise.resolve();
      const answer = await ownCollector.download({ targets, by: email, hostname, signal, onComplete });
      if (!answer.ok) {
        const { code } = answer.failure;
        if (code === 'overloaded') throw later(TOO_MANY);
        throw new ProblemError(code, { detail: code === 'no_files' ? NOTHING : NOT_REACHED });
      }
      answer.value.stream.once('close', end);
      return zipReply(answer.value);
    } catch (error) {
      end();
      throw error;
    }
  };
}

function later(detail: string): ProblemError {
  return new ProblemError('overloaded', { detail, headers: { 'Retry-After': RETRY_SECONDS } });
}

/** What the page of the machine says about them. */
export async function readOwnFiles(
  { db, settings, now }: { readonly db: Db; readonly settings: Settings; readonly now: Clock },
  hostname: string,
): Promise<OwnFilesModel> {
  const [current, machine] = await Promise.all([settings.read(), findOwnMachine(db, hostname)]);
  return {
    isClosed: openingState(current, now()) === 'closed',
    isReachable: (machine?.address ?? null) !== null,
    until: machine?.shutdown_at?.toISOString() ?? null,
  };
}
