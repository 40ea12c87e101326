// Between the harness and the process of several machines, and what machines leave on their disk.

/** `published`: as the published agents, which do not acknowledge. */
export type MachineKind = 'agent' | 'published';
type MachineFiles = { readonly hostname: string; readonly home: string };
export type ToHost =
  | {
      readonly boot: MachineFiles;
      readonly url: string;
      readonly bootId: string;
      readonly skewMs: number;
    }
  | { readonly shutDown: string };
/** A machine has shut down; `problem`: its agent has ended by itself. */
export type FromHost = { readonly ended: string; readonly problem: string | null };

/** A run of start-host, as the machine records it. */
export type StartHostRun = {
  readonly bootId: string;
  readonly code: string;
  readonly pin: string;
  /** Number and assignment of the command, as the agent logs them; empty for a published agent, which is not told. */
  readonly command: string;
};
export const RUNS_FILE = 'start-host-runs';
export const LOG_FILE = 'machine.log';

/** Lines are numbered, so that a lost or doubled one is seen. */
export function logLine(hostname: string, number: number): string {
  return `${hostname} line ${number}`;
}
