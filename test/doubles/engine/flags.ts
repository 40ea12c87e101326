// Parses the flags of a command line. Unknown flags are rejected, because no test would notice a flag that the double ignores.
import { unsupported } from './failure.ts';

export type Flags = {
  readonly has: (name: string) => boolean;
  /** Undefined if the flag is absent or takes no value. */
  readonly value: (name: string) => string | undefined;
  /** Every value of a flag that may be repeated. */
  readonly values: (name: string) => readonly string[];
  readonly names: () => string[];
};

/** The flags that a command accepts, and whether each takes a value, or one each time it is given. */
export type FlagTable = Readonly<Record<string, 'value' | 'list' | 'switch'>>;

export function parseFlags(
  args: readonly string[],
  table: FlagTable,
): { flags: Flags; positionals: string[] } {
  const found = new Map<string, string | undefined>();
  const lists = new Map<string, string[]>();
  const positionals: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    const [, name = '', , inline] = /^--([a-z-]+)(=(.*))?$/.exec(arg) ?? [];
    if (!arg.startsWith('-')) positionals.push(arg);
    else if (table[name] === 'switch' && inline === undefined) found.set(name, undefined);
    else if (table[name] === 'value') found.set(name, inline ?? args[(at += 1)]);
    else if (table[name] === 'list') {
      lists.set(name, [...(lists.get(name) ?? []), inline ?? args[(at += 1)] ?? '']);
      found.set(name, undefined);
    } else throw unsupported(`the flag ${arg}`);
  }
  return {
    positionals,
    flags: {
      has: (name) => found.has(name),
      value: (name) => found.get(name),
      values: (name) => lists.get(name) ?? [],
      names: () => [...found.keys()].sort(),
    },
  };
}
