// Who is notified of what: recipients, what was sent to them, and their page.
import { callerName } from '../contract/caller.ts';
import type { Caller, HandlersOf, Input, Reply } from '../contract/handlers.ts';
import type { components } from '../contract/openapi.gen.ts';
import { problem, ProblemError, type FieldError } from '../contract/problems.ts';
import { viewerOf } from '../contract/role.ts';
import type { Db } from '../db/connect.ts';
import {
  addRecipient,
  changeRecipient,
  listDeliveries,
  listRecipients,
  retryDelivery,
  type DeliveryRecord,
  type RecipientChange,
  type RecipientRecord,
} from '../db/notifications.ts';
import { renderNotifications, type NotificationsModel } from '../pages/notifications.ts';
import { fail, succeed, type Result } from '../result.ts';
import { normalizeEmail } from '../vms/email.ts';
import {
  notificationEvents,
  sentLabel,
  webhookSecretFault,
  type NotificationEvent,
} from '../vms/notifications.ts';
import { json, page, see } from './replies.ts';

type Schemas = components['schemas'];

export type NotificationsDependencies = {
  readonly db: Db;
  readonly site?: string;
  readonly randomUuid: () => string;
  readonly randomBytes: (count: number) => Buffer;
  readonly notifications: {
    /** Whether a mail server is configured. */
    readonly sendsEmail: boolean;
    /** 0 = none. */
    readonly costLimitUsd: number;
    readonly sealSecret: (secret: string) => string;
    /** What is wrong with the address of a webhook, in a sentence; null = nothing. */
    readonly webhookProblem: (address: URL) => string | null;
  };
};

type Done = NonNullable<Input<'notificationsPage'>['query']['done']>;

const SECRET_BYTES = 32;

export function createNotificationsHandlers(
  dependencies: NotificationsDependencies,
): HandlersOf<'notifications'> {
  const { db } = dependencies;
  const act = (input: ActInput, kind: Exclude<RecipientChange['kind'], 'events'>, done: Done) =>
    change(dependencies, input, { change: { kind }, done });
  return {
    notificationsPage: async ({ query, caller }) =>
      page(await showPage(dependencies, caller, { done: query.done ?? null })),
    getNotifications: async () => json(await readAll(dependencies)),
    addRecipient: (input) => add(dependencies, input),
    changeRecipient: (input) =>
      change(dependencies, input, {
        change: { kind: 'events', events: chosenEvents(input.body) },
        done: 'changed',
      }),
    pauseRecipient: (input) => act(input, 'pause', 'paused'),
    resumeRecipient: (input) => act(input, 'resume', 'resumed'),
    testRecipient: (input) => act(input, 'test', 'tested'),
    removeRecipient: (input) => act(input, 'remove', 'removed'),
    retryDelivery: async ({ path, caller, accept }) => {
      const isRetried = await retryDelivery(db, { id: path.id, who: callerName(caller) });
      if (accept === 'text/html') return seePage(isRetried ? 'retried' : 'retried_already');
      return isRetried ? json(await readAll(dependencies)) : problem('delivery_not_found');
    },
  };
}

type ActInput = Pick<Input<'pauseRecipient'>, 'path' | 'caller' | 'accept'>;

async function change(
  dependencies: NotificationsDependencies,
  { path, caller, accept }: ActInput,
  { change: asked, done }: { readonly change: RecipientChange; readonly done: Done },
) {
  const isThere = await changeRecipient(dependencies.db, { id: path.id, who: callerName(caller) }, asked);
  // A second click, or another tab: the page as it is now says more than "not found".
  if (accept === 'text/html') return seePage(isThere ? done : 'gone');
  return isThere ? json(await readAll(dependencies)) : problem('recipient_not_found');
}

const seePage = (done: Done) => see(`/admin/notifications?done=${done}`);

async function add(
  dependencies: NotificationsDependencies,
  { body, caller, accept }: Input<'addRecipient'>,
): Promise<Reply<'addRecipient'>> {
  const { db, randomUuid, notifications } = dependencies;
  const address = readAddress(dependencies, body);
  const given = readSecret(dependencies, body);
  if (!address.ok || !given.ok) {
    const errors = [address, given].flatMap((each) => (each.ok ? [] : [each.failure]));
    if (accept !== 'text/html') return problem('invalid_request', { errors });
    return refused(dependencies, { body, caller }, { status: 400, errors });
  }
  const { secret, isMade } = given.value;
  const id = randomUuid();
  const recipient = {
    ...{ id, kind: body.kind, address: address.value, events: chosenEvents(body) },
    sealedSecret: secret === null ? null : notifications.sealSecret(secret),
  };
  const result = await addRecipient(db, recipient, callerName(caller));
  if (result !== 'added') {
    const conflict = problem(result === 'exists' ? 'recipient_exists' : 'too_many_recipients');
    if (accept !== 'text/html') return conflict;
    const errors = [{ field: 'address', code: conflict.body.code, message: conflict.body.detail }];
    return refused(dependencies, { body, caller }, { status: 409, errors });
  }
  const shown = isMade ? secret : null;
  if (accept !== 'text/html') return json({ recipient: await findRecipient(db, id), secret: shown });
  if (shown === null) return seePage('added');
  return page(await showPage(dependencies, caller, { done: 'added', secret: shown }));
}

const SECRET_OF_EMAIL =
  'Only a webhook has a signing secret. Leave the field empty, or choose the kind webhook.';

/** The secret of a webhook: as given, or a new one, which is shown once. */
function readSecret(
  { randomBytes }: NotificationsDependencies,
  { kind, secret = '' }: Schemas['NewRecipient'],
): Result<{ readonly secret: string | null; readonly isMade: boolean }, FieldError> {
  const given = secret.trim();
  if (kind === 'email' && given === '') return succeed({ secret: null, isMade: false });
  if (kind === 'email') return fail({ field: 'secret', code: 'unexpected', message: SECRET_OF_EMAIL });
  if (given === '')
    return succeed({ secret: `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`, isMade: true });
  const fault = webhookSecretFault(given);
  return fault === null
    ? succeed({ secret: given, isMade: false })
    : fail({ field: 'secret', code: 'pattern', message: fault });
}

/** The page again, with what was typed but the secret. */
async function refused<Status extends 400 | 409>(
  dependencies: NotificationsDependencies,
  { body: { kind, address, ...events }, caller }: Pick<Input<'addRecipient'>, 'body' | 'caller'>,
  { status, errors }: { readonly status: Status; readonly errors: readonly FieldError[] },
) {
  const typed = { kind, address, events: chosenEvents(events) };
  const body = await showPage(dependencies, caller, { refused: { errors, typed } });
  return { status, type: 'text/html', body } as const;
}

function readAddress(
  { notifications }: NotificationsDependencies,
  { kind, address }: Schemas['NewRecipient'],
): Result<string, FieldError> {
  const wrong = (message: string) => fail({ field: 'address', code: 'format', message });
  if (kind === 'email') {
    const email = normalizeEmail(address);
    if (email !== null) return succeed(email);
    return wrong('This is not an e-mail address. Enter only the address, such as ada@example.org.');
  }
  const url = URL.parse(address.trim());
  if (url === null)
    return wrong('This is not the address of a webhook, such as https://hooks.example.org/lablink.');
  url.hash = '';
  const refusal = notifications.webhookProblem(url);
  return refusal === null ? succeed(url.href) : wrong(refusal);
}

function chosenEvents(chosen: Schemas['RecipientEvents']): NotificationEvent[] {
  return notificationEvents.filter((event) => chosen[event] === true);
}

async function findRecipient(db: Db, id: string): Promise<Schemas['Recipient']> {
  const found = (await listRecipients(db)).find((recipient) => recipient.id === id);
  // Somebody has removed it in the meantime.
  if (found === undefined) throw new ProblemError('recipient_not_found');
  return recipientView(found);
}

async function showPage(
  dependencies: NotificationsDependencies,
  caller: Caller,
  shown: Pick<NotificationsModel, 'done' | 'secret' | 'refused'>,
): Promise<string> {
  const all = await readAll(dependencies);
  return renderNotifications({ ...shown, site: dependencies.site, viewer: viewerOf(caller), all });
}

async function readAll({ db, notifications }: NotificationsDependencies): Promise<Schemas['Notifications']> {
  const [recipients, deliveries] = await Promise.all([listRecipients(db), listDeliveries(db)]);
  const { sendsEmail, costLimitUsd } = notifications;
  return {
    recipients: recipients.map(recipientView),
    deliveries: deliveries.map(deliveryView),
    failed: deliveries.filter(({ status }) => status === 'failed').length,
    sends_email: sendsEmail,
    cost_limit_usd: costLimitUsd === 0 ? null : costLimitUsd,
  };
}

function recipientView(record: RecipientRecord): Schemas['Recipient'] {
  return {
    id: record.id,
    kind: record.kind,
    address: record.address,
    events: [...record.events],
    paused_at: record.pausedAt?.toISOString() ?? null,
    added_at: record.addedAt.toISOString(),
    added_by: record.addedBy,
  };
}

function deliveryView(record: DeliveryRecord): Schemas['NotificationDelivery'] {
  const { id, event, kind, address, status, tries, problem: why } = record;
  return {
    ...{ id, event, kind, address, status, tries, problem: why },
    label: sentLabel(event),
    at: record.at.toISOString(),
    tried_at: record.triedAt?.toISOString() ?? null,
    next_try_at: status === 'waiting' && !record.isPaused ? record.nextTryAt.toISOString() : null,
    can_retry: status === 'failed' && !record.isToParticipant,
  };
}
