// What the agent must remember across its own restarts: commands that it was given and what became of them, participants
// whose remains are gone, the boot that it has announced.
import { join } from 'node:path';
import { isRecord, parseJson } from './json.ts';
import { readKept, replaceFile, setAside } from './keep.ts';
import type { Troubles } from './troubles.ts';
import { createTurns } from './turn.ts';

/** `started`: it was begun, and nobody knows how it ended. */
export type CommandOutcome = 'started' | 'registered' | 'failed';
export type CommandRecord = {
  readonly assignmentId: string;
  readonly commandNumber: number;
  readonly outcome: CommandOutcome;
  readonly message: string | null;
  /** The allocator has answered our report of it. */
  readonly told: boolean;
};

export type MemoryContent = {
  readonly announcedBootId: string | null;
  readonly commands: readonly CommandRecord[];
  /** Assignments whose participant's folder was emptied. */
  readonly recycled: readonly string[];
};

export type Memory = {
  readonly content: MemoryContent;
  /**
   * Changes it, and resolves once the change is on disk, or is known not to get there (a full disk): it counts all the
   * same while this process lives. Changes come one after the other.
   */
  change(make: (content: MemoryContent) => Partial<MemoryContent>): Promise<void>;
};

const WRITING = 'writing the memory';
const EMPTY: MemoryContent = { announcedBootId: null, commands: [], recycled: [] };
/** A machine has one participant after the other: so many of the last are remembered. */
const REMEMBERED = 100;

/** Opens the memory in the agent's folder. Where its file makes no sense, it is set aside, and the memory is empty. */
export async function openMemory(folder: string, troubles: Troubles): Promise<Memory> {
  const path = join(folder, 'memory.json');
  const turn = createTurns();
  let content = await read(path, troubles);

  async function write(): Promise<void> {
    try {
      await replaceFile(path, `${JSON.stringify(content)}\n`);
      troubles.over(WRITING);
    } catch (error) {
      troubles.tell(WRITING, String(error));
    }
  }

  return {
    get content() {
      return content;
    },
    async change(make) {
      const changed = { ...content, ...make(content) };
      content = {
        ...changed,
        commands: changed.commands.slice(-REMEMBERED),
        recycled: changed.recycled.slice(-REMEMBERED),
      };
      await turn(write);
    },
  };
}

export function findCommand(
  content: MemoryContent,
  key: { readonly assignmentId: string; readonly commandNumber: number },
): CommandRecord | undefined {
  return content.commands.find((record) => isSame(record, key));
}

/** The commands with this one noted, or noted anew. */
export function withCommand(content: MemoryContent, record: CommandRecord): Partial<MemoryContent> {
  return { commands: [...content.commands.filter((other) => !isSame(other, record)), record] };
}

type CommandKey = { readonly assignmentId: string; readonly commandNumber: number };

function isSame(a: CommandKey, b: CommandKey): boolean {
  return a.assignmentId === b.assignmentId && a.commandNumber === b.commandNumber;
}

async function read(path: string, troubles: Troubles): Promise<MemoryContent> {
  const text = await readKept(path);
  if (text === null) return EMPTY;
  const content = readContent(parseJson(text));
  if (content) return content;
  await setAside(path);
  troubles.tell('reading the memory', `${path} made no sense and was set aside`);
  return EMPTY;
}

function readContent(value: unknown): MemoryContent | null {
  if (!isRecord(value)) return null;
  const { announcedBootId, commands, recycled } = value;
  if (announcedBootId !== null && typeof announcedBootId !== 'string') return null;
  if (!Array.isArray(commands) || !Array.isArray(recycled)) return null;
  const records = commands.map(readRecord);
  if (records.includes(null) || !recycled.every((id) => typeof id === 'string')) return null;
  return { announcedBootId, commands: records.flatMap((record) => record ?? []), recycled };
}

function readRecord(value: unknown): CommandRecord | null {
  if (!isRecord(value)) return null;
  const { assignmentId, commandNumber, outcome, message, told } = value;
  if (typeof assignmentId !== 'string' || typeof commandNumber !== 'number' || typeof told !== 'boolean')
    return null;
  if (outcome !== 'started' && outcome !== 'registered' && outcome !== 'failed') return null;
  if (message !== null && typeof message !== 'string') return null;
  return { assignmentId, commandNumber, outcome, message, told };
}
