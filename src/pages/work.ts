// Participants' work on the admin's pages: what was downloaded, what is being downloaded, and what a destroy would lose.
import type { components } from '../contract/openapi.gen.ts';
import { compareHostnames } from '../vms/hostnames.ts';
import { downloadLabel, downloadSentence } from './download-sentence.ts';
import { counted, formatBytes } from './format.ts';
import type { View } from './render.ts';
import { ago } from './spans.ts';
import { NOT_ASSIGNED } from './status-labels.ts';
import { vmApiHref } from './hrefs.ts';

type Download = components['schemas']['Download'];

export type LastDownloadModel = {
  readonly at: Date;
  readonly files: number;
  readonly bytes: number;
  readonly complete: boolean;
};

type KnownWork = {
  readonly hostname: string;
  readonly email: string | null;
  readonly last: LastDownloadModel | null;
};

export type WorkModel = {
  readonly now: Date;
  readonly vms: readonly KnownWork[];
  /** Those that run, and the last that ended. */
  readonly downloads: readonly Download[];
};

/** The overview lists so many machines; the others have pages of their own. */
const MACHINES_SHOWN = 100;

/** For the partial `download`. */
export function workView({ now, vms, downloads }: WorkModel): View {
  const more = vms.length - MACHINES_SHOWN;
  return {
    any: vms.length > 0,
    downloads: downloads.map(downloadView),
    more: more > 0 ? counted(more, 'more machine') : null,
    machines: participantsFirst(vms)
      .slice(0, MACHINES_SHOWN)
      .map(({ hostname, email, last }) => ({
        hostname,
        email: email ?? NOT_ASSIGNED,
        href: dataHref(hostname),
        last: last === null ? 'Never downloaded' : lastText(last, now),
      })),
  };
}

function participantsFirst(vms: WorkModel['vms']): WorkModel['vms'] {
  return vms.toSorted(
    (one, other) =>
      Number(one.email === null) - Number(other.email === null) ||
      compareHostnames(one.hostname, other.hostname),
  );
}

export function dataHref(hostname: string): string {
  return `${vmApiHref(hostname)}/data`;
}

/** `3 files, 3.4 MB, 5 min ago; incomplete` */
function lastText({ at, files, bytes, complete }: LastDownloadModel, now: Date): string {
  const what = `${counted(files, 'file')}, ${formatBytes(bytes)}, ${ago(at.toISOString(), now)}`;
  return complete ? what : `${what}; incomplete`;
}

function downloadedSentence(last: LastDownloadModel | null, now: Date): string {
  return last === null ? 'Never downloaded.' : `Last downloaded: ${lastText(last, now)}.`;
}

/** The same for the participant who has a machine since `since`: an earlier download has the work of an earlier one. */
export function theirWorkSentence(since: Date, last: LastDownloadModel | null, now: Date): string {
  return downloadedSentence(last !== null && last.at >= since ? last : null, now);
}

function downloadView(download: Download): View {
  const { id, state, bytes, bytes_found: found, ended_at: endedAt } = download;
  return {
    ...{ id, state },
    label: downloadLabel(download),
    max: Math.max(found, 1),
    value: Math.min(bytes, Math.max(found, 1)),
    active: endedAt === null,
    text: downloadSentence(download),
  };
}

/** The files on the machines: as just surveyed, or as known without asking. */
export type UnsavedWorkModel =
  | { readonly now: Date; readonly surveyed: false; readonly vms: readonly KnownWork[] }
  | { readonly now: Date; readonly surveyed: true; readonly vms: readonly SurveyedWork[] };

type SurveyedWork = KnownWork & {
  /** Why the machine could not be asked; the fields below then mean nothing. */
  readonly problem: string | null;
  readonly files: number;
  readonly bytes: number;
  /** Whether something changed since the last download. */
  readonly changed: boolean;
  readonly leftBehind: {
    readonly files: number;
    readonly bytes: number;
    readonly byExtension: Readonly<Record<string, { readonly files: number; readonly bytes: number }>>;
  } | null;
};

type Unsaved = KnownWork & {
  readonly isUnsaved: boolean;
  readonly text: string;
  readonly left: string | null;
};

/** For the partial `unsaved-work`; null where no participant has been on a machine. The files of an image are nobody's work. */
export function unsavedWorkView(model: UnsavedWorkModel): View | null {
  const found = participantsWork(model);
  if (found.length === 0) return null;
  const atRisk = found.filter(({ isUnsaved }) => isUnsaved);
  const others = found.filter(({ isUnsaved }) => !isUnsaved);
  return {
    survey: model.surveyed ? null : '/admin/instances/delete?survey=true',
    anyUnsaved: atRisk.length > 0,
    atRisk: atRisk.map(unsavedRow),
    anyOthers: others.length > 0,
    others: others.map(unsavedRow),
  };
}

function participantsWork({ now, ...model }: UnsavedWorkModel): readonly Unsaved[] {
  if (model.surveyed)
    return model.vms
      .filter(({ email }) => email !== null)
      .map((vm) => ({ ...vm, ...unsavedOf(vm, now), left: leftSentence(vm.leftBehind) }));
  return model.vms
    .filter(({ email }) => email !== null)
    .map((vm) => ({ ...vm, isUnsaved: false, text: downloadedSentence(vm.last, now), left: null }));
}

function unsavedRow({ hostname, email, text, left }: Unsaved): View {
  return { hostname, email, text, left };
}

function unsavedOf(
  { last, problem, files, bytes, changed }: SurveyedWork,
  now: Date,
): Pick<Unsaved, 'isUnsaved' | 'text'> {
  const downloaded = downloadedSentence(last, now);
  if (problem !== null)
    return { isUnsaved: true, text: `The files on this machine are unknown. ${problem} ${downloaded}` };
  if (files === 0) return { isUnsaved: false, text: 'No files to download.' };
  const there = `${counted(files, 'file')}, ${formatBytes(bytes)}.`;
  if (last === null) return { isUnsaved: true, text: `${there} ${downloaded}` };
  if (!last.complete)
    return { isUnsaved: true, text: `${there} The last download was incomplete. ${downloaded}` };
  if (changed) return { isUnsaved: true, text: `${there} Changed since the last download. ${downloaded}` };
  return { isUnsaved: false, text: `Downloaded and unchanged since. ${downloaded}` };
}

const EXTENSIONS_SHOWN = 6;

/** `Excluded from downloads: 3 files, 15 bytes (h5 2, csv 1).` */
function leftSentence(left: SurveyedWork['leftBehind']): string | null {
  if (left === null || left.files === 0) return null;
  const kinds = Object.entries(left.byExtension).toSorted(([, a], [, b]) => b.bytes - a.bytes);
  const shown = kinds.slice(0, EXTENSIONS_SHOWN).map(([kind, { files }]) => `${kind} ${files}`);
  const more = kinds.length > EXTENSIONS_SHOWN ? ', …' : '';
  return `Excluded from downloads: ${counted(left.files, 'file')}, ${formatBytes(left.bytes)} (${shown.join(', ')}${more}).`;
}
