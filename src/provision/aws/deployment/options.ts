// The options of `lablink deploy` and `lablink destroy-deployment`, read and checked.
import { readFileSync } from 'node:fs';
import { parseArgs, parseEnv, type ParseArgsConfig } from 'node:util';
import { z } from 'zod';
import { fail, succeed, type Result } from '../../../result.ts';

export type DeployOptions = {
  readonly deployment: string;
  readonly region: string;
  readonly domain: string;
  readonly image: string;
  readonly instanceType: string;
  readonly diskGb: number;
  /** Null = the newest Ubuntu of Canonical. */
  readonly amiId: string | null;
  /** The text of the config file. */
  readonly configFile: string;
  /** More settings of the allocator, as environment variables. Some are secrets. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whether the role has what sessions of Systems Manager need. */
  readonly sessions: boolean;
};

export type DestroyOptions = {
  readonly deployment: string;
  readonly region: string;
  readonly deletesData: boolean;
};

/** What the options leave out. */
export type Defaults = { readonly deployment: string; readonly region: string | null };

const DEFAULT_TYPE = 't3.medium';
const DEFAULT_DISK_GB = '40';
const LEAST_DISK_GB = 10;
const MOST_DISK_GB = 16_000;
const DOMAIN = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/;
const DEPLOYMENT = /^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$/;
/** By the other options, by deploy/compose.yaml, or by the image. */
const SET_BY_DEPLOYMENT: readonly string[] = [
  ...['PROVIDER', 'DEPLOYMENT', 'AWS_REGION', 'ALLOCATOR_PUBLIC_IP', 'ADMIN_PASSWORD'],
  ...['CONFIG_DIR', 'CONFIG_NAME', 'PUBLIC_URL', 'TRUST_PROXY'],
  ...['DATA_DIR', 'HOST', 'PORT', 'PULUMI_CLI_DIR'],
];
const REGION = /^[a-z]{2}(-[a-z]+)+-\d$/;

/** A failure is one sentence about what is wrong. */
export function readDeployOptions(
  args: readonly string[],
  defaults: Defaults,
): Result<DeployOptions, string> {
  const read = readArgs(args, {
    domain: { type: 'string' },
    image: { type: 'string' },
    name: { type: 'string' },
    region: { type: 'string' },
    type: { type: 'string', default: DEFAULT_TYPE },
    disk: { type: 'string', default: DEFAULT_DISK_GB },
    ami: { type: 'string' },
    config: { type: 'string' },
    'env-file': { type: 'string' },
    sessions: { type: 'boolean', default: false },
  });
  if (!read.ok) return read;
  const { domain = '', image = '', type = '', disk = '', ami = null, config, sessions = false } = read.value;
  const place = readPlace(read.value, defaults);
  if (!place.ok) return place;
  const wrong = rules.find(({ isRight }) => !isRight({ domain, image, type, disk }));
  if (wrong) return fail(wrong.message);
  const configFile = readGivenFile('--config', config);
  if (!configFile.ok) return configFile;
  const envFile = readGivenFile('--env-file', read.value['env-file']);
  if (!envFile.ok) return envFile;
  const settings = parseSettings(envFile.value);
  if (!settings.ok) return settings;
  const options = { domain, image, instanceType: type, diskGb: Number(disk), amiId: ami, sessions };
  return succeed({ ...place.value, ...options, configFile: configFile.value, settings: settings.value });
}

type Given = {
  readonly domain: string;
  readonly image: string;
  readonly type: string;
  readonly disk: string;
};

const rules: readonly { readonly isRight: (given: Given) => boolean; readonly message: string }[] = [
  {
    isRight: ({ domain }) => DOMAIN.test(domain),
    message: '--domain must be the name of the allocator in the DNS, such as lab.example.org.',
  },
  {
    isRight: ({ image }) => /^[\w.:/@-]+$/.test(image),
    message: '--image must be the container image of the allocator with Pulumi, as `docker pull` takes it.',
  },
  {
    isRight: ({ type }) => /^[a-z0-9-]+\.[a-z0-9-]+$/.test(type),
    message: `--type must be an EC2 instance type such as ${DEFAULT_TYPE}.`,
  },
  {
    isRight: ({ disk }) =>
      /^\d+$/.test(disk) && Number(disk) >= LEAST_DISK_GB && Number(disk) <= MOST_DISK_GB,
    message: `--disk must be a number of GB from ${LEAST_DISK_GB} to ${MOST_DISK_GB}.`,
  },
];

export function readDestroyOptions(
  args: readonly string[],
  defaults: Defaults,
): Result<DestroyOptions, string> {
  const read = readArgs(args, {
    name: { type: 'string' },
    region: { type: 'string' },
    confirm: { type: 'string' },
    'delete-data': { type: 'boolean' },
  });
  if (!read.ok) return read;
  const place = readPlace(read.value, defaults);
  if (!place.ok) return place;
  const { deployment } = place.value;
  if (read.value.confirm !== deployment)
    return fail(`This destroys the allocator "${deployment}". To confirm, add --confirm ${deployment}.`);
  return succeed({ ...place.value, deletesData: read.value['delete-data'] === true });
}

const text = z.string().optional();
const flagsSchema = z.object({
  ...{ domain: text, image: text, name: text, region: text, type: text, disk: text },
  ...{ ami: text, config: text, confirm: text },
  'env-file': text,
  sessions: z.boolean().optional(),
  'delete-data': z.boolean().optional(),
});
type Flags = z.infer<typeof flagsSchema>;

function readArgs(args: readonly string[], options: ParseArgsConfig['options']): Result<Flags, string> {
  try {
    return succeed(flagsSchema.parse(parseArgs({ args: [...args], options: options ?? {} }).values));
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function readPlace(
  { name, region: given }: Flags,
  defaults: Defaults,
): Result<{ readonly deployment: string; readonly region: string }, string> {
  const deployment = name ?? defaults.deployment;
  const region = given ?? defaults.region;
  if (!DEPLOYMENT.test(deployment))
    return fail(`--name must be at most 24 lower-case letters, digits and dashes, not "${deployment}".`);
  if (region === null)
    return fail('--region, AWS_REGION or the config file must name a region such as us-west-2.');
  if (!REGION.test(region)) return fail(`--region must be a region such as us-west-2, not "${region}".`);
  return succeed({ deployment, region });
}

/** The text of a file; empty if none is named. */
function readGivenFile(option: string, path: string | undefined): Result<string, string> {
  if (path === undefined) return succeed('');
  try {
    return succeed(readFileSync(path, 'utf8'));
  } catch (error) {
    return fail(`${option} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

const LINE_OF_SETTINGS = /^\s*(#.*|\w+\s*=.*)?$/;

/** Says nothing of values: they may be secrets. */
function parseSettings(content: string): Result<DeployOptions['settings'], string> {
  const wrong = content.split('\n').findIndex((line) => !LINE_OF_SETTINGS.test(line.trimEnd()));
  if (wrong !== -1) return fail(`Line ${wrong + 1} of --env-file is not NAME=value.`);
  const settings = z.record(z.string(), z.string()).parse(parseEnv(content));
  const taken = Object.keys(settings).find((name) => SET_BY_DEPLOYMENT.includes(name));
  return taken === undefined
    ? succeed(settings)
    : fail(`Leave ${taken} out of --env-file: the deployment sets it.`);
}
