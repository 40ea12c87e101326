// What pages tell of participants' work: what was downloaded of each machine, and what is on it right now.
import { listDownloadTargets, listLastDownloads, type LastDownload } from '../db/downloads.ts';
import type { LastDownloadModel, StakeModel, WorkModel } from '../pages/work.ts';
import type { Provider } from '../vms/status.ts';
import { downloadView, targetOf, type DownloadDependencies } from './downloads.ts';
import type { Clock } from './views.ts';
import { describeFailure } from '../result.ts';

export type WorkDependencies = DownloadDependencies & { readonly now: Clock };

/** A page waits so long for the machines' answers. */
const SURVEY_MS = 3_000;

export async function readWork({ db, collector, now }: WorkDependencies): Promise<WorkModel> {
  const [targets, last] = await Promise.all([listDownloadTargets(db, null), listLastDownloads(db)]);
  return {
    now: now(),
    vms: targets.map(({ hostname, email }) => ({ hostname, email, last: lastModel(last.get(hostname)) })),
    downloads: collector.downloads().map(downloadView),
  };
}

/** What is known of machines that this server ends without asking them: those of its own provider. */
export async function readStake({ db, now }: WorkDependencies, provider: Provider): Promise<StakeModel> {
  if (provider === 'external') return { now: now(), surveyed: true, vms: [] };
  const [all, last] = await Promise.all([listDownloadTargets(db, null), listLastDownloads(db)]);
  const rows = all.filter((row) => row.provider === provider);
  return {
    now: now(),
    surveyed: false,
    vms: rows.map(({ hostname, email }) => ({ hostname, email, last: lastModel(last.get(hostname)) })),
  };
}

/** The same, and each is searched, so that it is known what is on it now. */
export async function surveyStake(dependencies: WorkDependencies, provider: Provider): Promise<StakeModel> {
  const { db, collector, now } = dependencies;
  if (provider === 'external') return { now: now(), surveyed: true, vms: [] };
  const [all, last] = await Promise.all([listDownloadTargets(db, null), listLastDownloads(db)]);
  const rows = all.filter((row) => row.provider === provider);
  const targets = rows.map((row) => targetOf(dependencies, row));
  const surveys = await collector.survey(targets, SURVEY_MS);
  return {
    now: now(),
    surveyed: true,
    vms: surveys.map(({ hostname, failure, files, bytes, fingerprint, leftBehind }, at) => {
      const before = last.get(hostname);
      return {
        hostname,
        email: rows[at]?.email ?? null,
        last: lastModel(before),
        problem: failure && describeFailure(failure),
        files,
        bytes,
        changed: before !== undefined && before.fingerprint !== fingerprint,
        leftBehind,
      };
    }),
  };
}

export function lastModel(last: LastDownload | undefined): LastDownloadModel | null {
  if (last === undefined) return null;
  const { downloadedAt: at, files, bytes, complete } = last;
  return { at, files, bytes, complete };
}
