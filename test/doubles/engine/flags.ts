// The flags of a command line. Unknown flags are rejected, because no test would notice a flag that the double ignores.
import { beyond } from './failure.ts';

export type Flags = {
  readonly has: (name: string) => boolean;
  /** undefined for a flag that is absent, or takes no value. */
  readonly value: (name: string) => string | undefined;
  readonly names: () => string[];
};

/** Which flags a command knows, and whether each takes a value. */
export type FlagTable = Readonly<Record<string, 'value' | 'switch'>>;

export function parseFlags(args: readonly string[], table: FlagTable): { flags: Flags; words: string[] } {
  const found = new Map<string, string | undefined>();
  const words: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    const [, name = '', , inline] = /^--([a-z-]+)(=(.*))?$/.exec(arg) ?? [];
    if (!arg.startsWith('-')) words.push(arg);
    else if (table[name] === 'switch' && inline === undefined) found.set(name, undefined);
    else if (table[name] === 'value') found.set(name, inline ?? args[(at += 1)]);
    else throw beyond(`the flag ${arg}`);
  }
  return {
    words,
    flags: {
      has: (name) => found.has(name),
      value: (name) => found.get(name),
      names: () => [...found.keys()].sort(),
    },
  };
}
