// What server and child say to each other over IPC. The child gets orders, one at a time, and answers each; facts come in
// between. What arrives is read, not believed: a child that speaks nonsense has failed.
import { z } from 'zod';
import type { ClientVmsSpec } from '../../../../infra/spec.ts';
import type { EngineFact } from './facts.ts';

/** Where the engine works and with what. */
export type EnginePlace = {
  /** Holds bin/pulumi. Null = the one on the PATH. */
  readonly cliRoot: string | null;
  /** Of this run alone: the engine's project file is written there. */
  readonly workDir: string;
  readonly pulumiHome: string;
  /** `file://…` or `s3://…` */
  readonly backendUrl: string;
  readonly project: string;
  /** Qualified: `organization/<project>/<stack>`. */
  readonly stack: string;
  /** `passphrase`, or the address of a key such as `awskms://…`. */
  readonly secretsProvider: string;
  readonly passphrase: string | null;
  readonly region: string;
};

export type Order =
  /** Selects the stack and tells its state; first of all. @param create makes it where there is none */
  | { readonly kind: 'open'; readonly place: EnginePlace; readonly create: boolean }
  | { readonly kind: 'up'; readonly spec: ClientVmsSpec }
  | { readonly kind: 'refresh' }
  | { readonly kind: 'destroy' }
  /** Removes the lock that a dead run left. */
  | { readonly kind: 'unlock' }
  /** Brings CLI and plugin; needs no stack. */
  | { readonly kind: 'install'; readonly place: EnginePlace; readonly pluginVersion: string };

/** `cancel` is no order: it is heeded at once, and not answered. */
export type Sent = Order | { readonly kind: 'cancel' };

/** What the engine's state knows. */
export type EngineState = {
  readonly machines: readonly { readonly hostname: string; readonly instanceId: string }[];
  /** What there is beside the machines, as the engine calls it. */
  readonly others: readonly { readonly type: string; readonly id: string }[];
  /** What an interrupted run was in the middle of, by URN. */
  readonly pending: readonly string[];
};

export type Answer =
  /** `state` is null where there is no stack. */
  | { readonly kind: 'done'; readonly state: EngineState | null }
  /** `text` is all that was said. */
  | { readonly kind: 'failed'; readonly text: string };

export type Told = Answer | { readonly kind: 'fact'; readonly fact: EngineFact };

const action = z.enum(['make', 'end', 'change']);
const fact = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('begun'), hostname: z.string(), doing: action }),
  z.object({
    kind: z.literal('done'),
    hostname: z.string(),
    did: action,
    instanceId: z.string().nullable(),
    publicIp: z.string().nullable(),
    seconds: z.number(),
  }),
  z.object({ kind: z.literal('refused'), hostname: z.string(), doing: action, text: z.string() }),
  z.object({
    kind: z.literal('said'),
    level: z.enum(['info', 'warning', 'error']),
    hostname: z.string().nullable(),
    text: z.string(),
  }),
  z.object({ kind: z.literal('summary'), succeeded: z.boolean() }),
]);
const told = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('fact'), fact }),
  z.object({
    kind: z.literal('done'),
    state: z
      .object({
        machines: z.array(z.object({ hostname: z.string(), instanceId: z.string() })),
        others: z.array(z.object({ type: z.string(), id: z.string() })),
        pending: z.array(z.string()),
      })
      .nullable(),
  }),
  z.object({ kind: z.literal('failed'), text: z.string() }),
]);

/** Null where what came is no message of ours. */
export function readTold(received: unknown): Told | null {
  const read = told.safeParse(received);
  return read.success ? read.data : null;
}
