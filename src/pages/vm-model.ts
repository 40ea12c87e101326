// What the page of one machine is made of.
import type { components } from '../contract/openapi.gen.ts';
import type { LastDownloadModel } from './work.ts';

type Vm = components['schemas']['Vm'];
type Entry = components['schemas']['VmTimelineEntry'];

export type VmModel = {
  readonly vm: Vm;
  /** Newest first. */
  readonly timeline: readonly Entry[];
  /** The launch that made it, where one of ours did. */
  readonly launchId: string | null;
  /** Until then the next browser is let in without the PIN. */
  readonly browserAllowedUntil: string | null;
  readonly freeCount: number;
  readonly canRestart: boolean;
  /** What was last downloaded of it; null = nothing ever. */
  readonly lastDownload: LastDownloadModel | null;
  /** What was done, and led here. */
  readonly done: components['schemas']['ActionName'] | null;
  /** Why something was not done. */
  readonly error: string | null;
  readonly now: Date;
};
