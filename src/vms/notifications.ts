// What organisers are notified about, and how often a delivery is tried. Pure; db/outbox.ts stores it, notify/ sends it.
import type { components } from '../contract/openapi.gen.ts';

type Schemas = components['schemas'];
/** What a recipient can choose. */
export type NotificationEvent = Schemas['NotificationEvent'];
/** Everything that is sent: `test` by the button, `machine_ready` to a participant. */
export type SentEvent = NotificationEvent | 'test' | 'machine_ready';

/** Event → what the page calls it. */
export const eventLabels = {
  launch_finished: 'A launch has finished',
  launch_failed: 'A launch has failed',
  destroy_failed: 'Destroying machines has failed',
  people_waiting: 'People are waiting for a machine',
  machine_failed: 'A machine with a participant has failed',
  end_soon: '30 and 10 minutes before the end',
  work_not_downloaded: 'Work is not downloaded before the end',
  machines_past_end: 'Machines exist after their end',
  cost_limit: 'The estimated cost has reached the limit',
  backup_failed: 'A backup has failed',
  schedule_problem: 'Something on the schedule did not happen',
} as const satisfies Record<NotificationEvent, string>;

const sentLabels: Readonly<Record<string, string>> = {
  ...eventLabels,
  test: 'Test',
  machine_ready: 'A machine is ready (to a participant)',
} satisfies Record<SentEvent, string>;

const isEvent = (name: string): name is NotificationEvent => Object.hasOwn(eventLabels, name);
/** In the order of the page. */
export const notificationEvents: readonly NotificationEvent[] = Object.keys(eventLabels).filter(isEvent);

/** The events among stored names; one that this program does not know is left out. */
export function readEvents(stored: readonly string[]): NotificationEvent[] {
  return notificationEvents.filter((event) => stored.includes(event));
}

/** A name that this program does not know is shown as it is. */
export function sentLabel(event: string): string {
  return Object.hasOwn(sentLabels, event) ? (sentLabels[event] ?? event) : event;
}

/** As Standard Webhooks has it: 24 to 64 bytes in base64. */
const SECRET = /^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const [SECRET_BYTES_MIN, SECRET_BYTES_MAX] = [24, 64];

/** What is wrong with the signing secret of a webhook, as a sentence; null = nothing. */
export function webhookSecretFault(secret: string): string | null {
  const bytes = SECRET.test(secret) ? decodedBytes(secret.slice('whsec_'.length)) : 0;
  return bytes >= SECRET_BYTES_MIN && bytes <= SECRET_BYTES_MAX
    ? null
    : `The signing secret must be whsec_ followed by ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} bytes in base64. Copy it from the receiver, or leave the field empty: then one is made.`;
}

function decodedBytes(base64: string): number {
  return (base64.replaceAll('=', '').length * 3) >> 2;
}

/** A delivery is tried so often. */
export const MAX_TRIES = 5;
/** After the first, second … try. */
const BACK_OFF_SECONDS = [30, 120, 600, 1_800] as const;
/** A receiver may ask for a longer pause, up to this. */
const LONGEST_PAUSE_SECONDS = 3_600;

/**
 * When the next try of a delivery is due, in seconds; null = there is no other one.
 * @param tries so far, with the one that has failed
 * @param retryAfterSeconds what the receiver asked for
 */
export function pauseAfter(tries: number, retryAfterSeconds: number | null): number | null {
  const pause = BACK_OFF_SECONDS[tries - 1];
  if (tries >= MAX_TRIES || pause === undefined) return null;
  return Math.min(Math.max(pause, retryAfterSeconds ?? 0), LONGEST_PAUSE_SECONDS);
}

/** How long before the end organisers are warned, in minutes; the earliest first. */
export const WARNING_MINUTES = [30, 10] as const;
const MINUTE_MS = 60_000;

/** Which warning is due; null = none. After an outage only the latest one is. */
export function dueWarning(end: Date, now: Date): (typeof WARNING_MINUTES)[number] | null {
  const minutes = (end.getTime() - now.getTime()) / MINUTE_MS;
  if (minutes <= 0) return null;
  return WARNING_MINUTES.findLast((warning) => minutes <= warning) ?? null;
}
