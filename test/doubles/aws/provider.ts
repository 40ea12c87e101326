// The common part of all resources of the AWS plugin double: faults, recorded calls, removal of secret markers, and the table
// of types.
import type {
  CheckResult,
  CreateResult,
  DiffResult,
  Provider,
  ReadResult,
  UpdateResult,
} from '@pulumi/pulumi/provider/provider.js';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isEqual, isObject, plain, type Props } from '../engine/values.ts';
import { note, readFaults, rejectionOf } from './faults.ts';
import { functionKinds } from './functions.ts';
import { logKinds } from './logs.ts';
import { machineKinds } from './machines.ts';
import { roleKinds } from './roles.ts';
import { propsOf } from './sdk.ts';

/** One resource type: how it is made and found again. Inputs come without Pulumi's wrappings. */
export type Kind = {
  /** The known input properties; others are rejected. */
  readonly inputs: readonly string[];
  /** The input that is made up when it is missing, as the real provider does (`<resource>-<random>`). */
  readonly autoname?: string;
  /** A change of these makes the thing anew. */
  readonly fixed: readonly string[];
  readonly create: (name: string, inputs: Props) => Promise<{ id: string; computed: Props }>;
  /** null = it is gone. `props` is what was made. */
  readonly read: (id: string, props: Props) => Promise<Props | null>;
  readonly update: (id: string, olds: Props, news: Props) => Promise<Props>;
  /** Gone already is done. */
  readonly delete: (id: string, props: Props) => Promise<void>;
};

const MACHINE = 'aws:ec2/instance:Instance';
/** A hold has an end, so that a test that fails leaves no plugin behind. */
const HOLD_LIMIT_MS = 120_000;
const HOLD_CHECK_MS = 25;

export function createProvider(folder: string): { provider: Provider; busy: () => boolean } {
  const kinds: Readonly<Record<string, Kind>> = {
    ...machineKinds(),
    ...roleKinds,
    ...logKinds,
    ...functionKinds,
  };
  let underWay = 0;

  async function counted<Result>(work: () => Promise<Result>): Promise<Result> {
    underWay += 1;
    try {
      return await work();
    } catch (error) {
      throw asTold(error);
    } finally {
      underWay -= 1;
    }
  }

  const provider: Provider = {
    version: '7.48.0',
    check: (urn, olds, news: unknown) =>
      Promise.resolve(check(kindOf(kinds, urn), nameOf(urn), olds, propsOf(news))),
    diff: (_id, urn, olds, news: unknown) =>
      Promise.resolve(diff(kindOf(kinds, urn), propsOf(olds), propsOf(news))),
    create: (urn, inputs: unknown) => counted(() => create(folder, kinds, urn, propsOf(inputs))),
    read: (id, urn, props: unknown) => counted(() => read(folder, kinds, id, urn, propsOf(props))),
    update: (id, urn, olds: unknown, news: unknown) =>
      counted(async (): Promise<UpdateResult> => {
        note(folder, { what: 'update', type: typeOf(urn), name: nameOf(urn) });
        const computed = await kindOf(kinds, urn).update(id, unwrap(propsOf(olds)), unwrap(propsOf(news)));
        return { outs: { ...propsOf(olds), ...propsOf(news), ...computed } };
      }),
    delete: (id, urn, props: unknown) =>
      counted(async () => {
        const asked = { type: typeOf(urn), name: nameOf(urn) };
        note(folder, { what: 'delete', ...asked });
        throwIf(rejectionOf(folder, 'delete', asked));
        await kindOf(kinds, urn).delete(id, unwrap(propsOf(props)));
        await takeTime(folder, asked);
      }),
  };
  return { provider, busy: () => underWay > 0 };
}

function check({ inputs, autoname }: Kind, name: string, olds: unknown, news: Props): CheckResult {
  const unknown = Object.keys(news).filter((key) => !inputs.includes(key));
  if (unknown.length > 0)
    return {
      failures: unknown.map((property) => ({
        property,
        reason: 'THE CLOUD DOUBLE DOES NOT KNOW THIS PROPERTY',
      })),
    };
  if (autoname === undefined || news[autoname] !== undefined) return { inputs: news };
  const old = isObject(olds) ? olds[autoname] : undefined;
  return { inputs: { ...news, [autoname]: old ?? `${name}-${randomBytes(4).toString('hex').slice(0, 7)}` } };
}

function diff({ fixed }: Kind, olds: Props, news: Props): DiffResult {
  const changed = Object.keys(news).filter((key) => !isEqual(plain(olds[key]), plain(news[key])));
  const replaces = changed.filter((key) => fixed.includes(key));
  return { changes: changed.length > 0, replaces };
}

async function create(
  folder: string,
  kinds: Readonly<Record<string, Kind>>,
  urn: string,
  inputs: Props,
): Promise<CreateResult> {
  const asked = { type: typeOf(urn), name: nameOf(urn) };
  const wanted = unwrap(inputs);
  note(folder, { what: 'create', ...asked });
  throwIf(
    rejectionOf(folder, 'create', {
      ...asked,
      instanceType: wanted['instanceType'],
      subnetId: wanted['subnetId'],
    }),
  );
  const { id, computed } = await kindOf(kinds, urn).create(asked.name, wanted);
  await dieIfTold(folder, asked);
  await takeTime(folder, asked);
  note(folder, { what: 'created', ...asked });
  return { id, outs: { ...inputs, ...computed } };
}

async function read(
  folder: string,
  kinds: Readonly<Record<string, Kind>>,
  id: string,
  urn: string,
  props: Props,
): Promise<ReadResult> {
  const asked = { type: typeOf(urn), name: nameOf(urn) };
  note(folder, { what: 'read', ...asked });
  throwIf(rejectionOf(folder, 'read', asked));
  const computed = await kindOf(kinds, urn).read(id, unwrap(props));
  return computed ? { id, props: { ...props, ...computed } } : { id: '', props: {} };
}

type Asked = { readonly type: string; readonly name: string };

/** A fault names machines by their hostname, and all else as `type::name`. */
function isNamed(told: string, { type, name }: Asked): boolean {
  return told === `${type}::${name}` || (type === MACHINE && told === name);
}

const doomed = new Set<string>();

/** It exists, and nobody hears of it. */
async function dieIfTold(folder: string, asked: Asked): Promise<void> {
  const { dieCreating } = readFaults(folder);
  const mine = dieCreating.find((told) => isNamed(told, asked));
  if (mine === undefined) return;
  doomed.add(mine);
  if (dieCreating.every((told) => doomed.has(told))) process.exit(1);
  await delay(HOLD_LIMIT_MS);
}

/** It is made, or gone; from here on AWS is slow, or silent. */
async function takeTime(folder: string, { type, name }: Asked): Promise<void> {
  const isMachine = type === MACHINE;
  const { slow } = readFaults(folder);
  if (isMachine) await delay(slow[name] ?? slow['*'] ?? 0);
  const until = Date.now() + HOLD_LIMIT_MS;
  const isMeant = (held: string) => (held === '*' ? isMachine : isNamed(held, { type, name }));
  const isHeld = () => readFaults(folder).hold.some(isMeant);
  while (isHeld() && Date.now() < until) await delay(HOLD_CHECK_MS);
}

/** AWS' own errors with their code, as the real provider prints them. */
function asTold(error: unknown): unknown {
  if (!(error instanceof Error) || !('$metadata' in error)) return error;
  return new Error(`${error.name}: ${error.message}`);
}

function throwIf(text: string | null): void {
  if (text !== null) throw new Error(text);
}

function kindOf(kinds: Readonly<Record<string, Kind>>, urn: string): Kind {
  const kind = kinds[typeOf(urn)];
  if (!kind) throw new Error(`THE CLOUD DOUBLE DOES NOT KNOW THE TYPE ${typeOf(urn)}`);
  return kind;
}

function typeOf(urn: string): string {
  return (urn.split('::')[2] ?? '').split('$').at(-1) ?? '';
}

function nameOf(urn: string): string {
  return urn.split('::')[3] ?? '';
}

/** Secrets as their values. */
function unwrap(props: Props): Props {
  return propsOf(plain(props));
}
