// The agent's environment variables -> its configuration, or everything that is wrong with them. Pure.
import { isAbsolute, normalize, relative, sep } from 'node:path';
import * as z from 'zod';
import type { Schemas } from '../client/client.ts';
import { fail, succeed, type Result } from '../result.ts';
import { jsonText } from './json.ts';
import type { AgentContainer } from './options.ts';

export type AgentConfig = {
  readonly allocatorUrl: string;
  readonly hostname: string;
  readonly token: string | null;
  readonly software: string | null;
  readonly startHost: string;
  readonly container: AgentContainer | null;
  readonly folder: string;
  readonly logFiles: readonly string[];
  readonly stateFolder: string;
  /** The timings themselves, or the file into which the boot script writes them. */
  readonly timings: { readonly known: Schemas['MetricsReport'] } | { readonly file: string } | null;
};

const HOSTNAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/;
/** What Docker allows in a name, and Linux in a user: neither can be mistaken for an option. */
const CONTAINER = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/;
const VISIBLE_ASCII = /^[\u0021-\u007e]+$/;

const quoted = (input: unknown): string => JSON.stringify(input);

const path = z
  .string()
  .refine((value) => isAbsolute(value), {
    error: ({ input }) => `is ${quoted(input)}, which is not an absolute path. Begin it with a slash.`,
  })
  .transform((value) => normalize(value));

/** As the published agents do: slashes at the end and the dot of a missing sub-domain are ignored. */
const url = z
  .string({ error: 'is not set. Set it to the address of the allocator, like https://lab.example.org.' })
  .transform((value) => value.replace(/\/+$/, '').replace('://.', '://'))
  .refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), {
    error: ({ input }) =>
      `is ${quoted(input)}, which is not an http or https address. Begin it with https://`,
    abort: true,
  })
  .refine(
    (value) => {
      const { username, search, hash } = new URL(value);
      return username === '' && search === '' && hash === '';
    },
    { error: 'is more than an address. Leave out user, query and fragment.' },
  );

const seconds = z.number().nonnegative().optional().catch(undefined);
const TIMINGS = z
  .object({
    cloud_init_start: seconds,
    cloud_init_end: seconds,
    cloud_init_duration_seconds: seconds,
    container_start: seconds,
    container_end: seconds,
    container_start_time: seconds,
    container_end_time: seconds,
    container_startup_duration_seconds: seconds,
  })
  .transform((given): Schemas['MetricsReport'] =>
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  )
  .refine((known) => Object.keys(known).length > 0);
const timingsText = jsonText.pipe(TIMINGS);

/** The timings of the contract in a JSON object; null if there are none. */
export function parseTimings(text: string): Schemas['MetricsReport'] | null {
  return timingsText.safeParse(text).data ?? null;
}

const timings = z.string().transform((value, context) => {
  if (!value.startsWith('{')) {
    const file = path.safeParse(value);
    if (file.success) return { file: file.data };
    for (const { message } of file.error.issues) context.addIssue(message);
    return z.NEVER;
  }
  const known = parseTimings(value);
  if (known) return { known };
  context.addIssue('is not a JSON object of numbers, like {"container_start": 1700000000}.');
  return z.NEVER;
});

const variables = z.object({
  ALLOCATOR_URL: url.describe('address of the allocator, like https://lab.example.org'),
  VM_NAME: z
    .string({ error: "is not set. Set it to this machine's name, as the allocator knows it." })
    .regex(HOSTNAME, {
      error: ({ input }) =>
        `is ${quoted(input)}, which is not a machine's name: letters, digits, dot, dash and underscore, at most 253.`,
    })
    .describe("this machine's name, as the allocator knows it"),
  API_TOKEN: z
    .string()
    .regex(VISIBLE_ASCII, 'has characters that no token has. Copy it again, without line breaks.')
    .optional()
    .describe("this machine's token, if the allocator gave it one"),
  SUBJECT_SOFTWARE: z
    .string()
    .optional()
    .describe('the machine is in use while a process has this in its command line'),
  LABLINK_AGENT_START_HOST: path
    .default('/opt/google/chrome-remote-desktop/start-host')
    .describe("Chrome Remote Desktop's start-host"),
  LABLINK_AGENT_FOLDER: path
    .default('/home/client/Desktop')
    .describe("the participant's folder, which is emptied when the machine is reset"),
  LABLINK_AGENT_CONTAINER: z
    .string()
    .regex(CONTAINER, {
      error: ({ input }) => `is ${quoted(input)}, which is not the name of a container.`,
    })
    .optional()
    .describe('the Docker container of start-host and the folder, if the agent runs outside it'),
  LABLINK_AGENT_CONTAINER_USER: z
    .string()
    .regex(USER, { error: ({ input }) => `is ${quoted(input)}, which is not the name of a user.` })
    .default('client')
    .describe('the user of the desktop in that container'),
  LABLINK_AGENT_LOGS: z
    .string()
    .transform((value) => value.split(':').flatMap((file) => file.trim() || []))
    .pipe(z.array(path))
    .optional()
    .describe('log files to ship, separated by colons'),
  LABLINK_AGENT_STATE: path.default('/var/lib/lablink-agent').describe("the agent's own folder"),
  LABLINK_AGENT_TIMINGS: timings
    .optional()
    .describe('start-up timings: a JSON object, or a file that will contain one'),
});

export type VariableHelp = {
  readonly name: string;
  readonly description: string;
  /** Undefined: required; null: optional. */
  readonly standard: string | null | undefined;
};

export const variableHelp: readonly VariableHelp[] = Object.entries(variables.shape).map(([name, rule]) => {
  const { success, data } = rule.safeParse(undefined);
  const standard = success ? (typeof data === 'string' ? data : null) : undefined;
  return { name, description: rule.description ?? '', standard };
});

const configSchema = variables
  .transform((given): AgentConfig => ({
    allocatorUrl: given.ALLOCATOR_URL,
    hostname: given.VM_NAME,
    token: given.API_TOKEN ?? null,
    software: given.SUBJECT_SOFTWARE ?? null,
    startHost: given.LABLINK_AGENT_START_HOST,
    container:
      given.LABLINK_AGENT_CONTAINER === undefined
        ? null
        : { name: given.LABLINK_AGENT_CONTAINER, user: given.LABLINK_AGENT_CONTAINER_USER },
    folder: given.LABLINK_AGENT_FOLDER,
    logFiles: given.LABLINK_AGENT_LOGS ?? [],
    stateFolder: given.LABLINK_AGENT_STATE,
    timings: given.LABLINK_AGENT_TIMINGS ?? null,
  }))
  .superRefine(({ folder, stateFolder }, context) => {
    if (folder.split(sep).filter((part) => part !== '').length < 2)
      context.addIssue({
        code: 'custom',
        path: ['LABLINK_AGENT_FOLDER'],
        message: `is ${folder}, which would be emptied when the machine is reset. Name a folder of the participant's own, like /home/client/Desktop.`,
      });
    else if (isWithin(folder, stateFolder))
      context.addIssue({
        code: 'custom',
        path: ['LABLINK_AGENT_STATE'],
        message: `is in LABLINK_AGENT_FOLDER (${folder}), which is emptied. Name another folder.`,
      });
  });

/** All that is wrong at once, each a sentence that begins with the variable. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
): Result<AgentConfig, readonly string[]> {
  const given = Object.entries(environment).flatMap(([name, value]) => {
    const trimmed = value?.trim() ?? '';
    return trimmed === '' ? [] : [[name, trimmed]];
  });
  const read = configSchema.safeParse(Object.fromEntries(given));
  if (read.success) return succeed(read.data);
  return fail(read.error.issues.map(({ path: [name], message }) => `${String(name)} ${message}`));
}

function isWithin(folder: string, other: string): boolean {
  const way = relative(folder, other);
  return way === '' || !(way.startsWith('..') || isAbsolute(way));
}
