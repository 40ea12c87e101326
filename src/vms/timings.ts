// Start-up timings as VMs report them: two spellings, three phases. Pure.
import type { components } from '../contract/openapi.gen.ts';

type MetricsReport = components['schemas']['MetricsReport'];

/** One phase in one report; null = not reported. Times are epoch seconds. */
export type PhaseTiming = {
  readonly start: number | null;
  readonly end: number | null;
  readonly seconds: number | null;
};
export type ReportedTimings = { readonly cloudInit: PhaseTiming; readonly container: PhaseTiming };

/** Accepts both spellings of the container's keys; the longer one wins if a report has both. */
export function readTimings(report: MetricsReport): ReportedTimings {
  return {
    cloudInit: phase(report.cloud_init_start, report.cloud_init_end, report.cloud_init_duration_seconds),
    container: phase(
      report.container_start_time ?? report.container_start,
      report.container_end_time ?? report.container_end,
      report.container_startup_duration_seconds,
    ),
  };
}

function phase(start?: number, end?: number, seconds?: number): PhaseTiming {
  return { start: start ?? null, end: end ?? null, seconds: seconds ?? null };
}

/** The whole start-up in seconds, once all three phases are known. */
export function totalSeconds(phases: readonly (number | null)[]): number | null {
  let total = 0;
  for (const seconds of phases) {
    if (seconds === null) return null;
    total += seconds;
  }
  return total;
}
