// What the agent must know after a restart: the commands that it was given and their outcomes, the participants whose files
// were deleted, and the boot that it has reported.
import { join } from 'node:path';
import { Mutex } from 'async-mutex';
import * as z from 'zod';
import type { ErrorLog } from './error-log.ts';
import { savedFile } from './saved-file.ts';

const commandSchema = z.object({
  assignmentId: z.string(),
  commandNumber: z.number(),
  /** `started`: start-host was started, and its outcome is not known. */
  outcome: z.enum(['started', 'registered', 'failed']),
  message: z.string().nullable(),
  /** Whether the allocator has received the outcome. */
  reported: z.boolean(),
});
const stateSchema = z.object({
  announcedBootId: z.string().nullable(),
  commands: z.array(commandSchema).readonly(),
  /** Assignments whose participant's files were deleted. */
  recycled: z.array(z.string()).readonly(),
});

export type CommandRecord = Readonly<z.output<typeof commandSchema>>;
export type StateContent = Readonly<z.output<typeof stateSchema>>;

export type SavedState = {
  readonly content: StateContent;
  /** Changes it, and resolves when it is saved. If it cannot be saved (disk full), the change holds until a restart. */
  readonly change: (make: (content: StateContent) => Partial<StateContent>) => Promise<void>;
};

const EMPTY: StateContent = { announcedBootId: null, commands: [], recycled: [] };
/** A machine has one participant after the other: only the last ones matter. */
const KEPT = 100;

export async function openState(folder: string, errors: ErrorLog): Promise<SavedState> {
  const file = savedFile(join(folder, 'state.json'), stateSchema, 'the saved state', errors);
  const writing = new Mutex();
  let content = (await file.read()) ?? EMPTY;
  return {
    get content() {
      return content;
    },
    change: async (make) => {
      const changed = { ...content, ...make(content) };
      content = {
        ...changed,
        commands: changed.commands.slice(-KEPT),
        recycled: changed.recycled.slice(-KEPT),
      };
      await writing.runExclusive(() => file.write(content));
    },
  };
}

type CommandKey = Pick<CommandRecord, 'assignmentId' | 'commandNumber'>;

export function findCommand({ commands }: StateContent, key: CommandKey): CommandRecord | undefined {
  return commands.find((record) => isSame(record, key));
}

/** The commands with this record added or replaced. */
export function withCommand({ commands }: StateContent, record: CommandRecord): Partial<StateContent> {
  return { commands: [...commands.filter((other) => !isSame(other, record)), record] };
}

function isSame(a: CommandKey, b: CommandKey): boolean {
  return a.assignmentId === b.assignmentId && a.commandNumber === b.commandNumber;
}
