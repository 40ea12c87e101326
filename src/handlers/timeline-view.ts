// What happened to a machine, in words.
import type { components } from '../contract/openapi.gen.ts';
import type { TimelineEntry } from '../db/vm-timeline.ts';
import { timelineText } from '../vms/timeline.ts';

export function timelineEntryView(entry: TimelineEntry): components['schemas']['VmTimelineEntry'] {
  return { at: entry.at.toISOString(), kind: entry.kind, text: timelineText(entry), who: entry.who };
}
