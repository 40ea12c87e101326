// What is no machine: roles, log groups, functions. They are entries of a file, which every plugin process of a test shares
// and the test reads.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Props } from '../engine/values.ts';
import { ledgerFile } from './faults.ts';
import type { Kind } from './provider.ts';

export type LedgerEntry = { readonly type: string; readonly id: string; readonly inputs: Props };

const ROLE = 'aws:iam/role:Role';
const ACCOUNT = '123456789012';

export function readLedger(folder: string): LedgerEntry[] {
  const file = ledgerFile(folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as LedgerEntry[]) : [];
}

type Shape = {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly named: string | null;
  readonly id: (name: string, inputs: Props) => string;
  readonly computed: (id: string, inputs: Props) => Props;
  /** AWS puts it there whether or not it is there already. */
  readonly upserts?: true;
  /** What it is a part of: it goes with that, known to anybody or not. */
  readonly partOf?: { readonly type: string; readonly key: string };
};

const region = () => process.env['AWS_REGION'] ?? 'us-east-1';
const named = (key: string) => (_name: string, inputs: Props) => String(inputs[key]);
const nothing = () => ({});

const SHAPES: readonly Shape[] = [
  {
    type: ROLE,
    inputs: [
      'name',
      'assumeRolePolicy',
      'description',
      'path',
      'tags',
      'maxSessionDuration',
      'managedPolicyArns',
      'inlinePolicies',
      'forceDetachPolicies',
    ],
    named: 'name',
    id: named('name'),
    computed: (id) => ({ arn: `arn:aws:iam::${ACCOUNT}:role/${id}`, uniqueId: `AROA${id.toUpperCase()}` }),
  },
  {
    type: 'aws:iam/rolePolicy:RolePolicy',
    upserts: true,
    partOf: { type: ROLE, key: 'role' },
    inputs: ['name', 'role', 'policy'],
    named: 'name',
    id: (_name, { role, name }) => `${String(role)}:${String(name)}`,
    computed: nothing,
  },
  {
    type: 'aws:iam/rolePolicyAttachment:RolePolicyAttachment',
    upserts: true,
    partOf: { type: ROLE, key: 'role' },
    inputs: ['role', 'policyArn'],
    named: null,
    id: (name, { role }) => `${String(role)}-${name}`,
    computed: nothing,
  },
  {
    type: 'aws:iam/instanceProfile:InstanceProfile',
    inputs: ['name', 'role', 'path', 'tags'],
    named: 'name',
    id: named('name'),
    computed: (id) => ({ arn: `arn:aws:iam::${ACCOUNT}:instance-profile/${id}` }),
  },
  {
    type: 'aws:cloudwatch/logGroup:LogGroup',
    inputs: ['name', 'retentionInDays', 'tags', 'kmsKeyId', 'skipDestroy', 'logGroupClass'],
    named: 'name',
    id: named('name'),
    computed: (id) => ({ arn: `arn:aws:logs:${region()}:${ACCOUNT}:log-group:${id}` }),
  },
  {
    type: 'aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter',
    upserts: true,
    partOf: { type: 'aws:cloudwatch/logGroup:LogGroup', key: 'logGroup' },
    inputs: ['name', 'logGroup', 'filterPattern', 'destinationArn', 'roleArn', 'distribution'],
    named: 'name',
    id: named('name'),
    computed: nothing,
  },
  {
    type: 'aws:lambda/function:Function',
    inputs: [
      'name',
      'runtime',
      'handler',
      'role',
      'code',
      'environment',
      'timeout',
      'memorySize',
      'description',
      'tags',
      'architectures',
      'publish',
      'sourceCodeHash',
      'reservedConcurrentExecutions',
      'packageType',
      'loggingConfig',
    ],
    named: 'name',
    id: named('name'),
    computed: (id) => ({ arn: `arn:aws:lambda:${region()}:${ACCOUNT}:function:${id}` }),
  },
  {
    type: 'aws:lambda/permission:Permission',
    partOf: { type: 'aws:lambda/function:Function', key: 'function' },
    inputs: ['statementId', 'action', 'function', 'principal', 'sourceArn', 'sourceAccount'],
    named: 'statementId',
    id: named('statementId'),
    computed: nothing,
  },
];

/** What each kind calls a change that makes the thing anew: its name. */
export function ledgerKinds(folder: string): Record<string, Kind> {
  return Object.fromEntries(SHAPES.map((shape) => [shape.type, kindOf(folder, shape)]));
}

function kindOf(folder: string, { type, inputs, named: autoname, id: idOf, computed, upserts }: Shape): Kind {
  const isIt = (id: string) => (entry: LedgerEntry) => entry.type === type && entry.id === id;
  return {
    inputs,
    ...(autoname === null ? {} : { autoname }),
    fixed: autoname === null ? inputs : [autoname],
    create: (name, wanted) => {
      const id = idOf(name, wanted);
      change(folder, (entries) => {
        if (!upserts && entries.some(isIt(id)))
          throw new Error(`EntityAlreadyExists: ${type} ${id} already exists`);
        return [...entries.filter((entry) => !isIt(id)(entry)), { type, id, inputs: wanted }];
      });
      return Promise.resolve({ id, computed: computed(id, wanted) });
    },
    read: (id) => {
      const entry = readLedger(folder).find(isIt(id));
      return Promise.resolve(entry ? computed(id, entry.inputs) : null);
    },
    update: (id, _olds, news) => {
      change(folder, (entries) => [
        ...entries.filter((entry) => !isIt(id)(entry)),
        { type, id, inputs: news },
      ]);
      return Promise.resolve(computed(id, news));
    },
    delete: (id) => {
      change(folder, (entries) => without(entries, entries.find(isIt(id))));
      return Promise.resolve();
    },
  };
}

/** Without it and its parts. A role that has policies stays, unless it was made to let go of them. */
function without(entries: LedgerEntry[], gone: LedgerEntry | undefined): LedgerEntry[] {
  if (gone === undefined) return entries;
  const parts = entries.filter(({ type, inputs }) => {
    const owner = SHAPES.find((shape) => shape.type === type)?.partOf;
    return owner?.type === gone.type && String(inputs[owner.key]) === gone.id;
  });
  if (gone.type === ROLE && parts.length > 0 && gone.inputs['forceDetachPolicies'] !== true)
    throw new Error(`DeleteConflict: Cannot delete entity, must delete policies first. (${gone.id})`);
  return entries.filter((entry) => entry !== gone && !parts.includes(entry));
}

function change(folder: string, edit: (entries: LedgerEntry[]) => LedgerEntry[]): void {
  const file = ledgerFile(folder);
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(edit(readLedger(folder)), null, 2));
  renameSync(temporary, file);
}
