// The messages between the server and the child process that runs Pulumi. The server sends one command at a time; the
// child sends facts while it works, and one result. They hold no secrets of the state, and their size is bounded.
import { z } from 'zod';

/** What a provider tells Pulumi's driver about its cloud. */
export type EngineCloud = {
  /** Pulumi's name of the cloud, such as `aws`. */
  readonly name: string;
  /** Pulumi's type of a machine; the name of such a resource is a hostname. */
  readonly machineType: string;
  /** Pulumi's configuration of the stack, such as `aws:maxRetries`. */
  readonly config: Readonly<Record<string, string>>;
  /** How many resources Pulumi works on at once. */
  readonly parallel: number;
  /** The URL of the module that exports the program. */
  readonly program: string;
};

/** What Pulumi needs to open a workspace and select a stack. */
export type WorkspaceSettings = {
  /** Folder that contains bin/pulumi. Null = use the one on the PATH. */
  readonly cliRoot: string | null;
  /** A folder for this run only; Pulumi's project file is written into it. */
  readonly workDir: string;
  readonly pulumiHome: string;
  /** `file://…` or `s3://…` */
  readonly backendUrl: string;
  readonly project: string;
  /** Fully qualified: `organization/<project>/<stack>`. */
  readonly stack: string;
  /** `passphrase`, or the URL of a key such as `awskms://…`. */
  readonly secretsProvider: string;
  readonly passphrase: string | null;
  readonly cloud: EngineCloud;
  /** The environment variables that Pulumi's plugin for the cloud reads. */
  readonly env: Readonly<Record<string, string>>;
};

export type EngineCommand =
  /** Selects the stack and returns its state; must come first. `preload`: an `up` follows */
  | { readonly kind: 'open'; readonly workspace: WorkspaceSettings; readonly preload: boolean }
  /** Creates a missing stack. `spec` is the input of the program. */
  | { readonly kind: 'up'; readonly spec: unknown }
  | { readonly kind: 'refresh' }
  /** Everything, or these machines of the state; needs no program. */
  | { readonly kind: 'destroy'; readonly hostnames?: readonly string[] }
  /** Removes the lock that a dead run left behind (`pulumi cancel`). */
  | { readonly kind: 'unlock' }
  /** Downloads the CLI and the plugin; needs no stack. */
  | { readonly kind: 'install'; readonly workspace: WorkspaceSettings; readonly pluginVersion: string };

/** `cancel` takes effect at once and has no result of its own. */
export type ServerMessage = EngineCommand | { readonly kind: 'cancel' };

export type MachineAction = 'create' | 'delete' | 'update';

const action = z.enum(['create', 'delete', 'update']);
const fact = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('started'), hostname: z.string(), action }),
  z.object({
    kind: z.literal('finished'),
    hostname: z.string(),
    action,
    // Known after a `create` only.
    instanceId: z.string().nullable(),
    publicIp: z.string().nullable(),
    privateIp: z.string().nullable(),
    seconds: z.number(),
  }),
  // `text` is the message of AWS or Pulumi.
  z.object({ kind: z.literal('failed'), hostname: z.string(), action, text: z.string() }),
  z.object({
    kind: z.literal('output'),
    level: z.enum(['info', 'warning', 'error']),
    hostname: z.string().nullable(),
    text: z.string(),
  }),
  // Pulumi's last event; missing if the engine died.
  z.object({ kind: z.literal('summary'), succeeded: z.boolean() }),
]);
const state = z.object({
  machines: z.array(z.object({ hostname: z.string(), instanceId: z.string() })),
  /** All other resources, with Pulumi's type names. */
  others: z.array(z.object({ type: z.string(), id: z.string() })),
  /** URNs of the operations that an interrupted run did not finish. */
  pending: z.array(z.string()),
});
const childMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('fact'), fact }),
  // The state is null if there is no stack.
  z.object({ kind: z.literal('done'), state: state.nullable() }),
  // `output` is everything that Pulumi printed.
  // `engineDied`: Pulumi began, but did not come to its end.
  z.object({ kind: z.literal('failed'), output: z.string(), engineDied: z.boolean().optional() }),
]);

/** What a run reports about a machine, or about itself: Pulumi's engine events, reduced. */
export type EngineFact = z.output<typeof fact>;
/** What Pulumi's state contains. */
export type EngineState = z.output<typeof state>;
export type ChildMessage = z.output<typeof childMessage>;
export type CommandResult = Exclude<ChildMessage, { kind: 'fact' }>;

/** Null if the message is not one that the child may send. */
export function readChildMessage(received: unknown): ChildMessage | null {
  const read = childMessage.safeParse(received);
  return read.success ? read.data : null;
}
