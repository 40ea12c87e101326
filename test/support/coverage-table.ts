// Records which responses of the contract were seen (endpoint × status, with media types), and renders them as a table.
import type { EndpointId } from '../../src/contract/endpoints.gen.ts';
import { infoOf, endpointIds } from './contract-examples.ts';
import type { RawAnswer } from './raw-http.ts';

export type Coverage = {
  readonly note: (id: EndpointId, answer: Pick<RawAnswer, 'status' | 'type'>) => void;
  /** Whether the status was seen with each of its declared media types. */
  readonly isSeen: (id: EndpointId, status: number) => boolean;
  /** The endpoints that have returned this status. */
  readonly seen: (status: number) => readonly EndpointId[];
  /** Expected responses that were never seen, such as `requestVm 409 application/problem+json`. */
  readonly missing: () => readonly string[];
  readonly undeclared: () => readonly string[];
  readonly table: () => string;
};

/** @param isDue whether a declared status must have been seen */
export function createCoverage(isDue: (id: EndpointId, status: number) => boolean): Coverage {
  const found = new Set<string>();
  const key = (id: EndpointId, status: number, type: string): string => `${id} ${status} ${type}`;
  const declared = endpointIds.flatMap((id) =>
    Object.entries(infoOf(id).responses).flatMap(([status, types]) =>
      // An answer without a body has no type.
      (types.length === 0 ? [''] : types).map((type) => ({
        id,
        status: Number(status),
        key: key(id, Number(status), type),
      })),
    ),
  );
  const entriesOf = (id: EndpointId, status: number) =>
    declared.filter((entry) => entry.id === id && entry.status === status);
  const isSeen = (id: EndpointId, status: number): boolean =>
    entriesOf(id, status).every((entry) => found.has(entry.key));
  const due = declared.filter(({ id, status }) => isDue(id, status));
  const missing = (): readonly string[] => due.map((entry) => entry.key).filter((each) => !found.has(each));
  const declaredKeys = new Set(declared.map((entry) => entry.key));
  const undeclared = (): readonly string[] => [...found].filter((each) => !declaredKeys.has(each));

  function cell(id: EndpointId, status: number, wrong: readonly string[]): string {
    if (wrong.some((each) => each.startsWith(`${id} ${status} `))) return '!';
    const entries = entriesOf(id, status);
    if (entries.length === 0) return '';
    const count = entries.filter((entry) => found.has(entry.key)).length;
    if (count === entries.length) return '✓';
    if (!isDue(id, status)) return '…';
    return count === 0 ? '✗' : '½';
  }

  function table(): string {
    const statuses = [...new Set(declared.map(({ status }) => status))].toSorted((a, b) => a - b);
    const wrong = undeclared();
    const width = Math.max(...endpointIds.map((id) => id.length));
    const line = (name: string, cells: readonly string[]): string =>
      [name.padEnd(width), ...cells.map((text) => text.padStart(3))].join(' ').trimEnd();
    return [
      line('', statuses.map(String)),
      ...endpointIds.map((id) =>
        line(
          id,
          statuses.map((status) => cell(id, status, wrong)),
        ),
      ),
      '✓ seen in every declared media type, ½ in some, ✗ never; … not served yet; ! seen, but not declared.',
      `Of ${due.length} answers that are declared and served, ${due.length - missing().length} were seen; ${declared.length - due.length} are not served yet.`,
    ].join('\n');
  }

  return {
    note: (id, { status, type }) => void found.add(key(id, status, type)),
    isSeen,
    seen: (status) =>
      endpointIds.filter((id) => [...found].some((each) => each.startsWith(`${id} ${status} `))),
    missing,
    undeclared,
    table,
  };
}
