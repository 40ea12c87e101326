// The agent's environment -> its settings, or what is wrong with them. Pure.
import { isAbsolute, normalize, relative, sep } from 'node:path';
import type { Schemas } from '../client/client.ts';
import type { AgentContainer } from './options.ts';
import { isRecord, parseJson } from './json.ts';

export type AgentSettings = {
  readonly allocatorUrl: string;
  readonly hostname: string;
  readonly token: string | null;
  readonly software: string | null;
  readonly startHost: string;
  readonly container: AgentContainer | null;
  readonly folder: string;
  readonly logFiles: readonly string[];
  readonly stateFolder: string;
  /** Known already, or in a file that the boot script writes. */
  readonly timings: { readonly known: Schemas['MetricsReport'] } | { readonly file: string } | null;
};

export type Environment = Readonly<Record<string, string | undefined>>;
export type SettingsResult =
  | { readonly ok: true; readonly settings: AgentSettings }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Name → what it is, and what it is without being said (null: nothing; undefined: it must be said). */
export const environmentHelp = [
  ['ALLOCATOR_URL', 'where the allocator is, like https://lab.example.org', undefined],
  ['VM_NAME', 'this machine, as the allocator knows it', undefined],
  ['API_TOKEN', "this machine's token, where the allocator gave it one", null],
  ['SUBJECT_SOFTWARE', 'in use = a process with this in its command line runs', null],
  [
    'LABLINK_AGENT_START_HOST',
    "Chrome Remote Desktop's start-host",
    '/opt/google/chrome-remote-desktop/start-host',
  ],
  [
    'LABLINK_AGENT_FOLDER',
    "the participant's folder; emptied when the machine is recycled",
    '/home/client/Desktop',
  ],
  ['LABLINK_AGENT_CONTAINER', 'the Docker container that both of these are in, if the agent is not', null],
  ['LABLINK_AGENT_CONTAINER_USER', 'whose desktop it is, in that container', 'client'],
  ['LABLINK_AGENT_LOGS', 'log files to ship, separated by colons', null],
  ['LABLINK_AGENT_STATE', "the agent's own folder", '/var/lib/lablink-agent'],
  ['LABLINK_AGENT_TIMINGS', 'start-up timings: a JSON object, or a file that will hold one', null],
] as const satisfies readonly (readonly [string, string, string | null | undefined])[];

type Name = (typeof environmentHelp)[number][0];

const HOSTNAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/;
const CONTAINER = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/;
const VISIBLE_ASCII = /^[\u0021-\u007e]+$/;

/** Reads all of it, so that all faults are told at once. */
export function readSettings(environment: Environment): SettingsResult {
  const faults: string[] = [];
  const given = (name: Name): string | null => {
    const value = environment[name]?.trim() ?? '';
    return value === '' ? (environmentHelp.find(([known]) => known === name)?.[2] ?? null) : value;
  };
  const path = (name: Name): string => readPath(name, given(name) ?? '', faults);
  const settings: AgentSettings = {
    allocatorUrl: readUrl(given('ALLOCATOR_URL'), faults),
    hostname: readHostname(given('VM_NAME'), faults),
    token: readToken(given('API_TOKEN'), faults),
    software: given('SUBJECT_SOFTWARE'),
    startHost: path('LABLINK_AGENT_START_HOST'),
    container: readContainer(
      given('LABLINK_AGENT_CONTAINER'),
      given('LABLINK_AGENT_CONTAINER_USER') ?? '',
      faults,
    ),
    folder: path('LABLINK_AGENT_FOLDER'),
    logFiles: (given('LABLINK_AGENT_LOGS') ?? '')
      .split(':')
      .filter((file) => file.trim() !== '')
      .map((file) => readPath('LABLINK_AGENT_LOGS', file.trim(), faults)),
    stateFolder: path('LABLINK_AGENT_STATE'),
    timings: readTimings(given('LABLINK_AGENT_TIMINGS'), faults),
  };
  faults.push(...folderFaults(settings));
  return faults.length === 0 ? { ok: true, settings } : { ok: false, faults };
}

/** Trailing slashes and the stray dot of a missing sub-domain are forgiven, as the agents of the field do. */
function readUrl(value: string | null, faults: string[]): string {
  if (value === null) {
    faults.push('ALLOCATOR_URL is not set. Set it to where the allocator is, like https://lab.example.org');
    return '';
  }
  const url = value.replace(/\/+$/, '').replace('://.', '://');
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol)) {
    faults.push(
      `ALLOCATOR_URL is ${JSON.stringify(value)}, which is no http or https address. Begin it with https://`,
    );
  } else if (parsed.username !== '' || parsed.search !== '' || parsed.hash !== '') {
    faults.push('ALLOCATOR_URL holds more than an address. Leave out user, query and fragment.');
  }
  return url;
}

function readHostname(value: string | null, faults: string[]): string {
  if (value === null)
    faults.push("VM_NAME is not set. Set it to this machine's name, as the allocator knows it.");
  else if (!HOSTNAME.test(value)) {
    faults.push(
      `VM_NAME is ${JSON.stringify(value)}, which is no machine's name: letters, digits, dot, dash and underscore, 253 at most.`,
    );
  }
  return value ?? '';
}

function readToken(value: string | null, faults: string[]): string | null {
  if (value !== null && !VISIBLE_ASCII.test(value)) {
    faults.push('API_TOKEN holds characters that no token has. Copy it again, without line breaks.');
  }
  return value;
}

/** What Docker takes for a name, and Linux for a user: neither can be taken for an option. */
function readContainer(name: string | null, user: string, faults: string[]): AgentContainer | null {
  if (name === null) return null;
  if (!CONTAINER.test(name))
    faults.push(`LABLINK_AGENT_CONTAINER is ${JSON.stringify(name)}, which is no container's name.`);
  if (!USER.test(user))
    faults.push(`LABLINK_AGENT_CONTAINER_USER is ${JSON.stringify(user)}, which is no user's name.`);
  return { name, user };
}

function readPath(name: Name, value: string, faults: string[]): string {
  if (!isAbsolute(value))
    faults.push(`${name} is ${JSON.stringify(value)}, which is no absolute path. Begin it with a slash.`);
  return normalize(value);
}

/** The participant's folder is emptied: it must be theirs, and nothing of ours may be in it. */
function folderFaults({ folder, stateFolder }: AgentSettings): string[] {
  const parts = folder.split(sep).filter((part) => part !== '');
  if (parts.length < 2) {
    return [
      `LABLINK_AGENT_FOLDER is ${folder}, and would be emptied when the machine is recycled. Name a folder of the participant's own, like /home/client/Desktop`,
    ];
  }
  const inside = relative(folder, stateFolder);
  return inside === '' || !(inside.startsWith('..') || isAbsolute(inside))
    ? [`LABLINK_AGENT_STATE is in LABLINK_AGENT_FOLDER (${folder}), which is emptied. Put it elsewhere.`]
    : [];
}

function readTimings(value: string | null, faults: string[]): AgentSettings['timings'] {
  if (value === null) return null;
  if (!value.startsWith('{')) return { file: readPath('LABLINK_AGENT_TIMINGS', value, faults) };
  const known = parseTimings(value);
  if (known) return { known };
  faults.push('LABLINK_AGENT_TIMINGS is no JSON object of numbers, like {"container_start": 1700000000}.');
  return null;
}

const TIMING_NAMES = [
  'cloud_init_start',
  'cloud_init_end',
  'cloud_init_duration_seconds',
  'container_start',
  'container_end',
  'container_start_time',
  'container_end_time',
  'container_startup_duration_seconds',
] as const satisfies readonly (keyof Schemas['MetricsReport'])[];

/** The timings that a text tells of; null where it is no JSON object of numbers, or tells of none. */
export function parseTimings(text: string): Schemas['MetricsReport'] | null {
  const value = parseJson(text);
  if (!isRecord(value)) return null;
  const known = TIMING_NAMES.flatMap((name) => {
    const seconds = value[name];
    return typeof seconds === 'number' && seconds >= 0 ? [[name, seconds] as const] : [];
  });
  return known.length > 0 ? Object.fromEntries(known) : null;
}
