// What a run of the engine tells, as our own values: the engine's events, reduced. They cross the border between the
// child process and the server, so they hold no secret, no state of other resources, and are bounded.

export type EngineFact =
  /** The engine began to do this to a machine. */
  | { readonly kind: 'begun'; readonly hostname: string; readonly doing: MachineAction }
  /** It is done. The rest is known where a machine was made. */
  | {
      readonly kind: 'done';
      readonly hostname: string;
      readonly did: MachineAction;
      readonly instanceId: string | null;
      readonly publicIp: string | null;
      readonly seconds: number;
    }
  /** The cloud, or the engine, would not. `text` is theirs. */
  | {
      readonly kind: 'refused';
      readonly hostname: string;
      readonly doing: MachineAction;
      readonly text: string;
    }
  /** A line of output about everything else, or about a machine. */
  | {
      readonly kind: 'said';
      readonly level: 'info' | 'warning' | 'error';
      readonly hostname: string | null;
      readonly text: string;
    }
  /** The last word of a run that came to its own end. */
  | { readonly kind: 'summary'; readonly succeeded: boolean };

export type MachineAction = 'make' | 'end' | 'change';
