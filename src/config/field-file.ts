// The field's config file (YAML, written for Hydra): its sections, what each key must be, and what of it is unknown.
// Messages here are what a value must be. Knows nothing of the environment and reads no file itself.
import { z } from 'zod';
import { nearestName } from './nearest.ts';
import { isTree, parseAll } from './parse.ts';
import { shown, type ConfigFault } from './problems.ts';
import { isUnfilledTemplate } from './rules.ts';
import { parseYamlTree } from './yaml-tree.ts';

/** Hydra's own keys: how it composes files, nothing that could be set. */
const HYDRAS_KEYS: readonly string[] = ['defaults', 'hydra'];
const SECRET_KEYS: readonly string[] = ['db.password', 'app.admin_password'];
/** Python writes its null as None, and earlier programs passed that word on. */
const UNSET = /^(none|null)?$/i;

const TEXT = 'text (in quotes, where it looks like a number or like true)';

/** Text, where blank, null and None mean that there is none. */
const text = z
  .string(TEXT)
  .refine((value) => !isUnfilledTemplate(value), 'a value: `${…}` and placeholders are not filled in here')
  .nullish()
  .transform((value) =>
    value === null || value === undefined || UNSET.test(value.trim()) ? undefined : value.trim(),
  );

/** Text as it stands: a password may be blank on purpose, and is judged elsewhere. */
const rawText = z
  .string(TEXT)
  .nullish()
  .transform((value) => value ?? undefined);

/** Also what Hydra took for true and false. */
const flag = (standard: boolean) =>
  z
    .union([z.boolean(), z.string()], 'true or false')
    .nullish()
    .transform((value, context) => {
      if (value === null || value === undefined) return standard;
      if (typeof value === 'boolean') return value;
      if (/^(true|yes|on)$/i.test(value)) return true;
      if (/^(false|no|off)$/i.test(value)) return false;
      context.addIssue('true or false');
      return z.NEVER;
    });

const choice = <const T extends readonly [string, ...string[]]>(names: T) =>
  z
    .enum(names, names.join(' or '))
    .nullish()
    .transform((value) => value ?? undefined);

const PORT = 'a whole number from 1 to 65535';
const port = z
  .union(
    [
      z.number(),
      z
        .string()
        .regex(/^\d{1,5}$/)
        .transform(Number),
    ],
    PORT,
  )
  .refine((value) => Number.isInteger(value) && value >= 1 && value <= 65_535, PORT)
  .nullish()
  .transform((value) => value ?? undefined);

const whole = (least: number, most: number) => {
  const words = `a whole number from ${least} to ${most}`;
  return z
    .number(words)
    .refine((value) => Number.isInteger(value) && value >= least && value <= most, words)
    .nullish()
    .transform((value) => value ?? undefined);
};

const NAMES = 'a list of names';
const names = z
  .array(z.string(NAMES).regex(/^[\w.-]{1,64}$/, NAMES), NAMES)
  .max(20, 'at most 20 names')
  .nullish()
  .transform((value) => value ?? []);

const CIDRS = 'a list of address blocks such as 203.0.113.7/32';
const cidrs = z
  .array(z.union([z.cidrv4(), z.cidrv6()], CIDRS), CIDRS)
  .max(50, 'at most 50 address blocks')
  .nullish()
  .transform((value) => value ?? []);

const SECTION = 'a section: the key, a colon, and indented keys below';
const section = <Shape extends z.ZodRawShape>(shape: Shape) => z.object(shape, SECTION);

const sections = {
  db: section({
    dbname: text,
    user: text,
    password: rawText,
    host: text,
    port,
    table_name: text,
    message_channel: text,
  }),
  machine: section({
    machine_type: text,
    repository: text,
    image: text,
    ami_id: text,
    software: text,
    extension: text,
    machine_types: names,
    agent: choice(['container', 'lablink']),
    disk_gb: whole(8, 16_384),
    vpc_id: text,
    subnet_ids: names,
    ssh_cidrs: cidrs,
    grace_minutes: whole(0, 1_440),
    log_retention_days: whole(1, 3_653),
  }),
  app: section({ admin_user: rawText, admin_password: rawText, region: text }),
  dns: section({
    enabled: flag(false),
    terraform_managed: flag(false),
    domain: text,
    zone_id: text,
    app_name: text,
    pattern: choice(['auto', 'app-only', 'custom']),
    custom_subdomain: text,
    create_zone: flag(false),
  }),
  eip: section({ strategy: choice(['dynamic', 'persistent']), tag_name: text }),
  ssl: section({ provider: rawText, email: text, staging: flag(false) }),
  allocator: section({ image_tag: text }),
  startup_script: section({ enabled: flag(false), path: text, on_error: choice(['continue', 'fail']) }),
};

const fieldFile = z.object({
  db: sections.db.prefault({}),
  machine: sections.machine.prefault({}),
  app: sections.app.prefault({}),
  dns: sections.dns.prefault({}),
  eip: sections.eip.prefault({}),
  ssl: sections.ssl.prefault({}),
  allocator: sections.allocator.prefault({}),
  startup_script: sections.startup_script.prefault({}),
  bucket_name: text,
} satisfies Record<keyof typeof sections | 'bucket_name', z.ZodType>);

export type FieldFile = z.output<typeof fieldFile>;
export type FieldFileRead = {
  readonly file: FieldFile;
  readonly faults: readonly ConfigFault[];
  readonly warnings: readonly string[];
  /** Whether every section could be looked at: where not, what seems to be missing may well be there. */
  readonly complete: boolean;
  /** Whether a `db` section says anything at all. */
  readonly namesDatabase: boolean;
};

/** What stands when there is no file, or none that can be read. */
export const emptyFieldFile = (): FieldFile => fieldFile.parse({});

/**
 * Reads the file's text. Faults: broken YAML, wrong types. Warnings: keys that nobody knows.
 * @param path as people know it; only shown.
 * @param databaseCounts whether the `db` section is used; where not, it may hold whatever it likes.
 */
export function readFieldFile(content: string, path: string, databaseCounts: boolean): FieldFileRead {
  const parsed = parseYamlTree(content);
  if ('problem' in parsed) {
    const faults = [{ key: path, ...parsed }];
    return { file: emptyFieldFile(), faults, warnings: [], complete: false, namesDatabase: false };
  }
  const named = withoutBlanks(parsed.tree);
  const input = databaseCounts ? named : { ...named, db: channelOf(named['db']) };
  const { values, wrong } = parseAll(fieldFile, input);
  const faults = wrong.map(({ name, value, message }) => ({
    key: name,
    problem: `${SECRET_KEYS.includes(name) ? 'The value (not shown)' : shown(value)} is not what belongs here (in ${path}).`,
    remedy: `Write ${message}, or remove the line.`,
  }));
  const complete = wrong.every(({ name }) => keysOf[name] === undefined);
  return {
    file: values,
    faults,
    warnings: unknownKeys(parsed.tree, path),
    complete,
    namesDatabase: isTree(named['db']),
  };
}

/** A section that is named and left blank is one without keys. */
function withoutBlanks(tree: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(tree).filter(([, value]) => value !== null));
}

/** Where the `db` section does not count, only the channel's name is looked at. */
function channelOf(db: unknown): Record<string, unknown> {
  return isTree(db) ? { message_channel: db['message_channel'] } : {};
}

const keysOf: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(sections).map(([name, schema]) => [name, Object.keys(schema.shape)]),
);
const knownPaths: readonly string[] = [
  'bucket_name',
  ...Object.entries(keysOf).flatMap(([section, keys]) => keys.map((key) => `${section}.${key}`)),
];

function unknownKeys(tree: Record<string, unknown>, path: string): string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    if (HYDRAS_KEYS.includes(name) || name === 'bucket_name') return [];
    const known = keysOf[name];
    if (known === undefined) return [unknownKey(name, [...Object.keys(keysOf), 'bucket_name'], '', path)];
    if (!isTree(value)) return [];
    const orphans = Object.keys(value).filter((key) => !known.includes(key));
    return orphans.map((key) => unknownKey(key, known, `${name}.`, path));
  });
}

function unknownKey(name: string, neighbours: readonly string[], prefix: string, path: string): string {
  const near = nearestName(name, neighbours);
  const elsewhere = knownPaths.find((known) => known.endsWith(`.${name}`));
  const meant = near === undefined ? elsewhere : `${prefix}${near}`;
  const question = meant === undefined ? 'It has no effect.' : `Did you mean ${meant}?`;
  return `${path}: nobody knows the key ${prefix}${name}. ${question}`;
}
