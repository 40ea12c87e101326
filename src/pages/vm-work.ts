// Whether the work of a machine's person has come home, in a sentence.
import type { VmModel } from './vm-model.ts';
import { lastSentence } from './work.ts';
import { words } from './words.ts';

/** Null where nobody has or had the machine. */
export function workSentence({ vm, lastDownload, now }: VmModel): string | null {
  const { assignment } = vm;
  if (!assignment) return null;
  // What was downloaded before was somebody else's.
  const isTheirs = lastDownload !== null && lastDownload.at.getTime() >= Date.parse(assignment.assigned_at);
  if (!isTheirs) return words.collect.neverSaved;
  return `${words.collect.lastly} ${lastSentence(lastDownload, now)}.`;
}
