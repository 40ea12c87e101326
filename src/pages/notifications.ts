// The organiser's page of notifications: who is notified of what, and what was sent.
import type { components } from '../contract/openapi.gen.ts';
import type { FieldError } from '../contract/problems.ts';
import type { Viewer } from '../contract/role.ts';
import { eventLabels, notificationEvents, type NotificationEvent } from '../vms/notifications.ts';
import { counted, errorOf, momentView } from './format.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';

type Schemas = components['schemas'];

export type NotificationsModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly all: Schemas['Notifications'];
  readonly done?: keyof typeof doneSentences | null;
  /** Of a webhook that was added just now; shown once. */
  readonly secret?: string;
  /** Why a recipient was not added, and what was typed but the secret. */
  readonly refused?: {
    readonly errors: readonly FieldError[];
    readonly typed: {
      readonly kind: Schemas['RecipientKind'];
      readonly address: string;
      readonly events: readonly NotificationEvent[];
    };
  };
};

const doneSentences = {
  added: 'The recipient was added. Send a test to see whether it arrives.',
  changed: 'The choice was saved.',
  paused: 'Nothing is sent to this recipient until you resume it.',
  resumed: 'The recipient gets notifications again.',
  removed: 'The recipient was removed.',
  tested: 'A test is being sent. Reload this page in a moment: the list below shows whether it arrived.',
  gone: 'There is no such recipient any more: it has been removed already.',
  retried_already:
    'Nothing was changed: it is being tried again already, or it was sent. The list below shows which.',
  retried: 'It is being tried again. Reload this page in a moment to see whether it arrived.',
} as const;

const kinds = { email: 'E-mail', webhook: 'Webhook' } as const satisfies Record<
  Schemas['RecipientKind'],
  string
>;

export function renderNotifications({
  site,
  viewer,
  all,
  done = null,
  secret,
  refused,
}: NotificationsModel): string {
  const { recipients, deliveries, failed } = all;
  const isNews = done !== 'gone' && done !== 'retried_already';
  return render('notifications', {
    ...layoutView({
      site,
      viewer,
      title: 'Notifications',
      area: 'admin',
      current: '/admin/notifications',
      styles: ['admin.css'],
      isError: refused !== undefined,
    }),
    done: done !== null && isNews ? doneSentences[done] : null,
    already: done !== null && !isNews ? doneSentences[done] : null,
    secret: secret ?? null,
    ...formView(refused),
    sendsEmail: all.sends_email,
    limit: all.cost_limit_usd,
    failed: failed === 0 ? null : counted(failed, 'notification'),
    any: recipients.length > 0,
    recipients: recipients.map(recipientView),
    anySent: deliveries.length > 0,
    deliveries: deliveries.map(deliveryView),
  });
}

/** Field → its ID on the page. */
const FIELDS: Readonly<Record<string, string>> = { secret: 'secret-field' };

/** The form that adds: empty, or as it was typed with what is wrong. */
function formView(refused: NotificationsModel['refused']): View {
  const { kind = 'email', address = '', events = notificationEvents } = refused?.typed ?? {};
  const errors = refused?.errors ?? [];
  return {
    isRefused: refused !== undefined,
    refusals: errors.map(({ field, message }) => ({ message, href: `#${FIELDS[field] ?? 'address'}` })),
    errors: { address: errorOf(errors, 'address'), secret: errorOf(errors, 'secret') },
    address,
    kinds: (['email', 'webhook'] as const).map((value) => ({
      ...{ value, label: kinds[value], checked: value === kind },
    })),
    events: choiceView('new', events),
  };
}

/** @param prefix makes the ids of the page unique */
function choiceView(prefix: string, chosen: readonly NotificationEvent[]): View[] {
  return notificationEvents.map((event) => ({
    id: `${prefix}-${event}`,
    event,
    label: eventLabels[event],
    checked: chosen.includes(event),
  }));
}

function recipientView({ id, kind, address, events, paused_at: pausedAt }: Schemas['Recipient']): View {
  return {
    ...{ id, address, kind: kinds[kind] },
    action: `/api/v1/notifications/recipients/${id}`,
    paused: momentView(pausedAt),
    summary: events.length === 0 ? 'Nothing' : counted(events.length, 'event'),
    events: choiceView(id, events),
  };
}

const statuses = {
  waiting: { status: 'busy', label: 'Being sent' },
  sent: { status: 'running', label: 'Sent' },
  failed: { status: 'error', label: 'Failed' },
} as const satisfies Record<Schemas['NotificationDelivery']['status'], View>;

function deliveryView(delivery: Schemas['NotificationDelivery']): View {
  const {
    id,
    label,
    at,
    address,
    status,
    tries,
    next_try_at: nextTryAt,
    problem,
    can_retry: canRetry,
  } = delivery;
  return {
    ...{ id, label, address, problem },
    at: momentView(at),
    state: statuses[status],
    tries: tries < 2 ? null : counted(tries, 'try').replace('trys', 'tries'),
    next: status === 'waiting' && tries > 0 ? momentView(nextTryAt) : null,
    retry: canRetry ? `/api/v1/notifications/deliveries/${id}/retry` : null,
  };
}
