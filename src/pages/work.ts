// The participants' work on the admin's pages: what was downloaded last, what runs, and what a destroy would lose.
import type { components } from '../contract/openapi.gen.ts';
import { compareHostnames } from '../vms/hostnames.ts';
import { ago } from './spans.ts';
import { countFiles, formatBytes } from './bytes.ts';
import { downloadLabel, downloadSentence } from './download-sentence.ts';
import type { View } from './render.ts';
import { words } from './words.ts';

export type LastDownloadModel = {
  readonly at: Date;
  readonly files: number;
  readonly bytes: number;
  readonly complete: boolean;
};

export type WorkModel = {
  readonly now: Date;
  readonly vms: readonly {
    readonly hostname: string;
    readonly email: string | null;
    readonly last: LastDownloadModel | null;
  }[];
  /** Those that run and the last that ended. */
  readonly downloads: readonly components['schemas']['Download'][];
};

/** The overview is looked at in a hurry: more machines than this are on their own pages. */
const MACHINES_SHOWN = 100;

/** The part of the overview; for the partial `download`. */
export function workView({ now, vms, downloads }: WorkModel): View {
  const more = vms.length - MACHINES_SHOWN;
  return {
    any: vms.length > 0,
    downloads: downloads.map(downloadView),
    more: more > 0 ? words.collect.more.replace('{n}', String(more)) : null,
    machines: peopleFirst(vms)
      .slice(0, MACHINES_SHOWN)
      .map(({ hostname, email, last }) => ({
        hostname,
        email: email ?? words.collect.nobody,
        href: dataAddress(hostname),
        last: lastSentence(last, now),
      })),
  };
}

function peopleFirst(vms: WorkModel['vms']): WorkModel['vms'] {
  return vms.toSorted(
    (one, other) =>
      Number(one.email === null) - Number(other.email === null) ||
      compareHostnames(one.hostname, other.hostname),
  );
}

export function dataAddress(hostname: string): string {
  return `/api/v1/vms/${encodeURIComponent(hostname)}/data`;
}

export function lastSentence(last: LastDownloadModel | null, now: Date): string {
  if (last === null) return words.collect.never;
  const { at, files, bytes, complete } = last;
  const what = `${countFiles(files)}, ${formatBytes(bytes)}, ${ago(at.toISOString(), now)}`;
  return complete ? what : `${what}; ${words.collect.incomplete}`;
}

function downloadView(download: components['schemas']['Download']): View {
  const { id, bytes, bytes_found: found, ended_at: endedAt } = download;
  return {
    id,
    state: download.state,
    label: downloadLabel(download),
    max: Math.max(found, 1),
    value: Math.min(bytes, Math.max(found, 1)),
    active: endedAt === null,
    text: downloadSentence(download),
  };
}

/** What machines hold: as they were asked a moment ago, or what is known without asking. */
export type StakeModel =
  | { readonly now: Date; readonly surveyed: false; readonly vms: readonly KnownWork[] }
  | { readonly now: Date; readonly surveyed: true; readonly vms: readonly SurveyedWork[] };

type KnownWork = {
  readonly hostname: string;
  readonly email: string | null;
  readonly last: LastDownloadModel | null;
};

type SurveyedWork = KnownWork & {
  /** Why it could not be asked; then what follows is not known. */
  readonly problem: string | null;
  readonly files: number;
  readonly bytes: number;
  /** Something is not as it was when it was downloaded last. */
  readonly changed: boolean;
  readonly leftBehind: {
    readonly files: number;
    readonly bytes: number;
    readonly byExtension: Readonly<Record<string, { readonly files: number; readonly bytes: number }>>;
  } | null;
};

/** The part of the page that destroys; for the partial `stake`. Null where there is nothing to tell. */
export function stakeView(model: StakeModel): View | null {
  if (model.vms.length === 0) return null;
  const machines = model.surveyed
    ? model.vms.map((vm) => surveyedView(vm, model.now))
    : model.vms.map((vm) => knownView(vm, model.now));
  return {
    survey: model.surveyed ? null : '/admin/instances/delete?survey=true',
    anyAtStake: machines.some(({ atStake }) => atStake),
    machines,
  };
}

function knownView({ hostname, email, last }: KnownWork, now: Date) {
  const text =
    last === null ? words.collect.neverSaved : `${words.collect.lastly} ${lastSentence(last, now)}.`;
  return { hostname, email: email ?? words.collect.nobody, atStake: false, text, left: null };
}

function surveyedView(vm: SurveyedWork, now: Date) {
  const { hostname, email, leftBehind } = vm;
  return {
    hostname,
    email: email ?? words.collect.nobody,
    ...stakeOf(vm, now),
    left: leftSentence(leftBehind),
  };
}

function stakeOf(vm: SurveyedWork, now: Date): { readonly atStake: boolean; readonly text: string } {
  const { last, problem, files, bytes, changed } = vm;
  const downloaded =
    last === null ? words.collect.never : `${words.collect.lastly} ${lastSentence(last, now)}`;
  if (problem !== null) return { atStake: true, text: `${words.collect.notKnown} ${problem} ${downloaded}.` };
  if (files === 0) return { atStake: false, text: words.collect.nothing };
  const there = `${countFiles(files)}, ${formatBytes(bytes)}.`;
  if (last === null) return { atStake: true, text: `${there} ${words.collect.neverSaved}` };
  if (!last.complete) return { atStake: true, text: `${there} ${words.collect.partly} ${downloaded}.` };
  if (changed) return { atStake: true, text: `${there} ${words.collect.changed} ${downloaded}.` };
  return { atStake: false, text: `${words.collect.saved} ${downloaded}.` };
}

const EXTENSIONS_SHOWN = 6;

function leftSentence(left: SurveyedWork['leftBehind']): string | null {
  if (left === null || left.files === 0) return null;
  const kinds = Object.entries(left.byExtension).toSorted(([, a], [, b]) => b.bytes - a.bytes);
  const shown = kinds.slice(0, EXTENSIONS_SHOWN).map(([kind, { files }]) => `${kind} ${files}`);
  const more = kinds.length > EXTENSIONS_SHOWN ? ', …' : '';
  return `${words.collect.left} ${countFiles(left.files)}, ${formatBytes(left.bytes)} (${shown.join(', ')}${more}).`;
}
