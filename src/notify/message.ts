// What a notification says: the facts that were stored with it, as a text from templates/messages and as values for programs.
import { z } from 'zod';
import { machines } from '../vms/operation.ts';
import { momentView } from '../pages/format.ts';
import { vmPageHref } from '../pages/hrefs.ts';
import { renderMessage, type View } from '../pages/render.ts';
import type { SentEvent } from '../vms/notifications.ts';

export type MessageContext = {
  /** The workshop's; null = it has none. */
  readonly title: string | null;
  /** The deployment. */
  readonly site: string;
  /** Where people reach the allocator. */
  readonly publicAddress: string;
};

export type Message = {
  /** One line. */
  readonly subject: string;
  readonly text: string;
  /** Of an e-mail to a recipient: why they get it. */
  readonly end: string;
  /** A page; opening it changes nothing. */
  readonly link: string;
  /** Without names and addresses of participants. */
  readonly facts: Readonly<Record<string, unknown>>;
};

const count = z.number().int();
const moment = z.iso.datetime({ offset: true });
const line = z.string().transform(oneLine);

const ended = z
  .object({ operation_id: z.string(), requested_by: line, total: count, done: count, failed: count })
  .extend({ problem: line.nullable(), remedy: line.nullable() });

type Shown = {
  /** Of the page where somebody sees more. */
  readonly path: string;
  /** What the template shows. */
  readonly view: View;
};
type Read = Shown & { readonly facts: Readonly<Record<string, unknown>> };

/** Of one event: what is stored with it, by migration 0028 and notify/watch.ts, and what the message shows of it. */
function entry<S extends z.ZodObject>(
  schema: S,
  show: (facts: z.output<S>) => Shown,
): (data: unknown) => Read | null {
  return (data) => {
    const read = schema.safeParse(data);
    return read.success ? { ...show(read.data), facts: read.data } : null;
  };
}

const messages: Readonly<Record<string, (data: unknown) => Read | null>> = {
  launch_finished: entry(ended, operationPage),
  launch_failed: entry(ended, operationPage),
  destroy_failed: entry(ended, operationPage),
  people_waiting: entry(z.object({}), () => ({ path: '/admin/waiting-list', view: {} })),
  machine_failed: entry(z.object({ hostname: line, status: line, email: line }), (facts) => ({
    path: vmPageHref(facts.hostname),
    view: { ...facts, hasStopped: facts.status === 'unreachable' },
  })),
  end_soon: entry(
    z.object({ minutes: count, ends_at: moment, machines: count, is_closing: z.boolean() }),
    ({ minutes, is_closing: isClosing, ends_at: end, machines: size }) => ({
      path: isClosing ? '/admin/settings' : '/admin/fleet',
      view: { minutes, isClosing, ...sizeView(size, end) },
    }),
  ),
  work_not_downloaded: entry(
    z.object({ machines: count, ends_at: moment }),
    ({ machines: size, ends_at: end }) => ({ path: '/admin', view: sizeView(size, end) }),
  ),
  machines_past_end: entry(
    z.object({ machines: count, ended_at: moment }),
    ({ machines: size, ended_at: end }) => ({ path: '/admin/fleet', view: sizeView(size, end) }),
  ),
  cost_limit: entry(z.object({ limit_usd: z.number(), usd: z.number() }), ({ limit_usd: limit, usd }) => ({
    path: '/admin/fleet',
    view: { limit: limit.toFixed(0), usd: usd.toFixed(2) },
  })),
  backup_failed: entry(z.object({ place: line, problem: line }), (view) => ({
    path: '/admin/notifications',
    view,
  })),
  schedule_problem: entry(z.object({ problem: line }), (view) => ({ path: '/admin/schedule', view })),
  test: entry(z.object({ requested_by: line }), ({ requested_by: requestedBy }) => ({
    path: '/admin/notifications',
    view: { requestedBy },
  })),
  machine_ready: entry(z.object({ until: moment }), ({ until }) => ({
    path: '/',
    view: { until: momentView(until).at },
  })),
} satisfies Record<SentEvent, (data: unknown) => Read | null>;

function sizeView(size: number, end: string): View {
  return { machines: machines(size), isOne: size === 1, end: momentView(end).at };
}

function operationPage({ operation_id: id, ...facts }: z.output<typeof ended>): Shown {
  const { problem, remedy, requested_by: requestedBy, done, total } = facts;
  const view = { done, total: machines(total), problem, remedy, requestedBy };
  return { path: `/admin/operations/${id}`, view };
}

/** Null: this program does not know the event, or not this form of its facts; a newer one wrote it. */
export function composeMessage(event: string, data: unknown, context: MessageContext): Message | null {
  const read = Object.hasOwn(messages, event) ? messages[event]?.(data) : null;
  if (!read) return null;
  const link = `${context.publicAddress}${read.path}`;
  const workshop = oneLine(context.title ?? context.site);
  const settings = `${context.publicAddress}/admin/notifications`;
  const [subject = '', ...rest] = renderMessage(event, { ...read.view, workshop, link }).split('\n');
  const facts = Object.fromEntries(Object.entries(read.facts).filter(([name]) => name !== 'email'));
  return {
    subject,
    text: rest.join('\n').trim(),
    end: renderMessage('end', { workshop, settings }),
    link,
    facts,
  };
}

/** What others have written cannot add a line or a header. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}
