// Parses the flags of a command line. Unknown flags are rejected, because no test would notice a flag that the double ignores.
import { unsupported } from './failure.ts';

export type Flags = {
  readonly has: (name: string) => boolean;
  /** Undefined if the flag is absent or takes no value. */
  readonly value: (name: string) => string | undefined;
  readonly names: () => string[];
};

/** The flags that a command accepts, and whether each takes a value. */
export type FlagTable = Readonly<Record<string, 'value' | 'switch'>>;

export function parseFlags(
  args: readonly string[],
  table: FlagTable,
): { flags: Flags; positionals: string[] } {
  const found = new Map<string, string | undefined>();
  const positionals: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    const [, name = '', , inline] = /^--([a-z-]+)(=(.*))?$/.exec(arg) ?? [];
    if (!arg.startsWith('-')) positionals.push(arg);
    else if (table[name] === 'switch' && inline === undefined) found.set(name, undefined);
    else if (table[name] === 'value') found.set(name, inline ?? args[(at += 1)]);
    else throw unsupported(`the flag ${arg}`);
  }
  return {
    positionals,
    flags: {
      has: (name) => found.has(name),
      value: (name) => found.get(name),
      names: () => [...found.keys()].sort(),
    },
  };
}
