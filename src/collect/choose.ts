// Which files are downloaded, and a count of the others. Pure.
import type { Choice } from './target.ts';

export type Sum = { readonly files: number; readonly bytes: number };
/** What is left behind, by extension (`csv`) or by one of the words below. */
export type LeftBehind = Sum & { readonly byExtension: Readonly<Record<string, Sum>> };

const NO_EXTENSION = '(none)';
const LINK = '(link)';
/** More kinds than this are counted together. */
const KINDS = 50;
const OTHERS = '(others)';

/** Whether the file of this path below the folder is downloaded. */
export function isChosen(path: string, { extensions, leftOut }: Choice): boolean {
  const steps = path.split('/');
  const name = steps.at(-1) ?? '';
  if (steps.slice(0, -1).some((step) => leftOut.includes(step))) return false;
  if (extensions === null) return true;
  const lower = name.toLowerCase();
  return extensions.some((extension) => lower.endsWith(`.${extension}`));
}

/** The last extension in lower case. A name whose only dot comes first has none. */
export function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot > 0 && dot < name.length - 1 ? name.slice(dot + 1).toLowerCase() : NO_EXTENSION;
}

export type LeftBehindCounter = {
  readonly add: (path: string, isLink: boolean, bytes: number) => void;
  readonly total: () => LeftBehind;
};

export function countLeftBehind(): LeftBehindCounter {
  const kinds = new Map<string, { files: number; bytes: number }>();
  return {
    add: (path, isLink, bytes) => {
      const extension = isLink ? LINK : extensionOf(path).slice(0, 20);
      const kind = kinds.has(extension) || kinds.size < KINDS ? extension : OTHERS;
      const sum = kinds.get(kind) ?? { files: 0, bytes: 0 };
      kinds.set(kind, { files: sum.files + 1, bytes: sum.bytes + bytes });
    },
    total: () => ({ ...sumOf([...kinds.values()]), byExtension: Object.fromEntries(kinds) }),
  };
}

function sumOf(sums: readonly Sum[]): Sum {
  return sums.reduce(
    (total, { files, bytes }) => ({ files: total.files + files, bytes: total.bytes + bytes }),
    { files: 0, bytes: 0 },
  );
}
