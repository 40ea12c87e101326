// One event of the engine, in whatever form it came, to what it means for us. Pure: the clock is an argument, since the
// engine's own timestamps are whole seconds. An event that is not understood means nothing; most are debug noise.
import { z } from 'zod';
import type { EngineFact, MachineAction } from './facts.ts';

/** What earlier events of the same run left to remember. */
export type RunMemory = {
  /** When work on a resource began, by URN, in milliseconds. */
  readonly begunAt: ReadonlyMap<string, number>;
  /** The last error that was told of a resource, by URN. */
  readonly errors: ReadonlyMap<string, string>;
};

export type Reduced = { readonly memory: RunMemory; readonly facts: readonly EngineFact[] };

export const noMemory: RunMemory = { begunAt: new Map(), errors: new Map() };

/** More of one line is not kept. */
export const FACT_TEXT_LIMIT = 2_000;
const MACHINE_TYPE = 'aws:ec2/instance:Instance';
const PROVIDER_TYPE = 'pulumi:providers:aws';
const STACK_TYPE = 'pulumi:pulumi:Stack';

const state = z.object({ id: z.string().optional(), outputs: z.record(z.string(), z.unknown()).optional() });
const step = z.object({
  metadata: z.object({
    op: z.string(),
    urn: z.string(),
    type: z.string(),
    old: state.nullish(),
    new: state.nullish(),
  }),
});
const engineEvent = z.object({
  diagnosticEvent: z
    .object({
      message: z.string(),
      severity: z.string(),
      urn: z.string().optional(),
      ephemeral: z.boolean().optional(),
    })
    .optional(),
  resourcePreEvent: step.optional(),
  resOutputsEvent: step.optional(),
  resOpFailedEvent: step.optional(),
  summaryEvent: z.object({ result: z.string().optional(), maybeCorrupt: z.boolean().optional() }).optional(),
});

type EngineEvent = z.output<typeof engineEvent>;
type Step = z.output<typeof step>['metadata'];

export function reduceEvent(memory: RunMemory, received: unknown, nowMs: number): Reduced {
  const read = engineEvent.safeParse(received);
  if (!read.success) return { memory, facts: [] };
  const event = read.data;
  if (event.diagnosticEvent) return reduceDiagnostic(memory, event.diagnosticEvent);
  if (event.resourcePreEvent) return reduceBegin(memory, event.resourcePreEvent.metadata, nowMs);
  if (event.resOutputsEvent) return reduceEnd(memory, event.resOutputsEvent.metadata, nowMs);
  if (event.resOpFailedEvent) return reduceRefusal(memory, event.resOpFailedEvent.metadata);
  if (event.summaryEvent) {
    const succeeded = event.summaryEvent.result === 'succeeded' && event.summaryEvent.maybeCorrupt !== true;
    return { memory, facts: [{ kind: 'summary', succeeded }] };
  }
  return { memory, facts: [] };
}

const levels: Readonly<Record<string, 'info' | 'warning' | 'error'>> = {
  info: 'info',
  'info#err': 'info',
  warning: 'warning',
  error: 'error',
};

function reduceDiagnostic(
  memory: RunMemory,
  { message, severity, urn = '', ephemeral }: NonNullable<EngineEvent['diagnosticEvent']>,
): Reduced {
  const level = levels[severity];
  const text = tidy(message);
  if (level === undefined || ephemeral === true || text === '' || isNoise(text)) return { memory, facts: [] };
  const hostname = urn.includes(`${MACHINE_TYPE}::`) ? nameOf(urn) : null;
  const errors = level === 'error' && urn !== '' ? new Map(memory.errors).set(urn, text) : memory.errors;
  return { memory: { ...memory, errors }, facts: [{ kind: 'said', level, hostname, text }] };
}

function reduceBegin(memory: RunMemory, step: Step, nowMs: number): Reduced {
  const doing = actionOf(step.op);
  if (doing === null) return { memory, facts: [] };
  const begunAt = new Map(memory.begunAt).set(step.urn, nowMs);
  const facts: EngineFact[] =
    step.type === MACHINE_TYPE ? [{ kind: 'begun', hostname: nameOf(step.urn), doing }] : [];
  return { memory: { ...memory, begunAt }, facts };
}

function reduceEnd(memory: RunMemory, step: Step, nowMs: number): Reduced {
  const did = actionOf(step.op);
  if (did === null) return { memory, facts: [] };
  const seconds = (nowMs - (memory.begunAt.get(step.urn) ?? nowMs)) / 1000;
  if (step.type !== MACHINE_TYPE) return { memory, facts: partDone(step, did) };
  const made = did === 'make' ? step.new : undefined;
  return {
    memory,
    facts: [
      {
        kind: 'done',
        hostname: nameOf(step.urn),
        did,
        instanceId: made?.id ?? null,
        publicIp: textOf(made?.outputs?.['publicIp']),
        seconds,
      },
    ],
  };
}

/** Parts around the machines, such as the security group, are told in a line. */
function partDone({ type, urn }: Step, did: MachineAction): EngineFact[] {
  if (type === PROVIDER_TYPE || type === STACK_TYPE) return [];
  const part = type.slice(type.lastIndexOf(':') + 1);
  return [
    { kind: 'said', level: 'info', hostname: null, text: `${part} ${nameOf(urn)}: ${actionWords[did]}.` },
  ];
}

function reduceRefusal(memory: RunMemory, step: Step): Reduced {
  const doing = actionOf(step.op) ?? 'change';
  if (step.type !== MACHINE_TYPE) return { memory, facts: [] };
  const text = memory.errors.get(step.urn) ?? 'The engine did not say why.';
  return { memory, facts: [{ kind: 'refused', hostname: nameOf(step.urn), doing, text }] };
}

const actionWords = { make: 'made', end: 'ended', change: 'changed' } as const satisfies Record<
  MachineAction,
  string
>;

/** The engine's operations that change something; `same`, `read` and `refresh` do not. */
const actions: Readonly<Record<string, MachineAction>> = {
  create: 'make',
  'create-replacement': 'make',
  delete: 'end',
  'delete-replaced': 'end',
  update: 'change',
  replace: 'change',
};

function actionOf(op: string): MachineAction | null {
  return actions[op] ?? null;
}

/** A URN ends with the resource's name; that of a machine is its hostname. */
function nameOf(urn: string): string {
  return urn.slice(urn.lastIndexOf('::') + 2);
}

function isNoise(text: string): boolean {
  return text.startsWith('using pulumi-resource-');
}

function tidy(message: string): string {
  return message.trim().slice(0, FACT_TEXT_LIMIT);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
