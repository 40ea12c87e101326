// Notifications: what organisers and waiting participants are sent, by e-mail and by webhooks.
import { randomUUID } from 'node:crypto';
import { sleep } from '../async/abort.ts';
import type { Config } from '../config.ts';
import type { Db } from '../db/connect.ts';
import type { Settings } from '../db/settings.ts';
import { readDatabaseClock } from '../db/silence.ts';
import type { NotificationsDependencies } from '../handlers/notifications.ts';
import type { Lifecycle } from '../lifecycle.ts';
import { createMailSender } from '../notify/email.ts';
import { composeMessage } from '../notify/message.ts';
import { startSender, type NotifyClock } from '../notify/sender.ts';
import { startNotifyWatch } from '../notify/watch.ts';
import { addressProblem, createWebhookSender } from '../notify/webhook.ts';
import type { OperationService } from '../provision/operation-service.ts';
import { deriveKey } from '../secrets.ts';
import { seal, unseal } from '../ssh/seal.ts';
import { version } from '../version.ts';
import type { AppContext } from './context.ts';
import type { Data } from './data.ts';
import { siteOf } from './server-names.ts';

/** The use of the key and its version. */
const SECRET_PURPOSE = 'webhook-secret/1';

type Dependencies = {
  readonly data: Data;
  readonly secretKey: string;
  readonly settings: Settings;
  /** Where people reach the server. */
  readonly publicAddress: () => string;
  readonly operations: Pick<OperationService, 'graceMinutes' | 'region'>;
};

/** Sends what is in the outbox, and looks for what is due, while the server runs. */
export async function openNotifications(
  context: AppContext,
  lifecycle: Lifecycle,
  dependencies: Dependencies,
): Promise<void> {
  const { config, log } = context;
  const { data, settings, operations } = dependencies;
  const { db } = data.database;
  const clock = databaseClock(db);
  const { now } = context;
  const { watchMs, ...intervals } = context.notifyIntervals ?? {};
  const onError = (error: unknown, doing: string): void =>
    log.warn({ err: error }, `An error while ${doing}; it is tried again.`);
  await lifecycle.acquire(
    'notifications',
    () =>
      startSender({
        ...{ db, clock, intervals, onError, owner: randomUUID() },
        ...sendingOf(context, dependencies),
      }),
    (sender) => sender.close(),
  );
  await lifecycle.acquire(
    'watch for notifications',
    () =>
      startNotifyWatch({
        ...{ db, onError },
        now: now ? () => Promise.resolve(now()) : clock.now,
        ...(watchMs !== undefined && { lookMs: watchMs }),
        readClosing: async () => {
          const { closesAt } = await settings.read();
          return closesAt === null ? null : new Date(closesAt);
        },
        costLimitUsd: config.notify.costLimitUsd,
        graceMinutes: operations.graceMinutes,
        region: operations.region,
      }),
    (watch) => watch.close(),
  );
}

/** Timers of this process; the time is the database's, which all allocators share. */
function databaseClock(db: Db): NotifyClock {
  return { now: async () => new Date(await readDatabaseClock(db)), sleep };
}

function sendingOf({ config, log }: AppContext, { secretKey, settings, publicAddress }: Dependencies) {
  const { smtp, webhookAllowPrivate: allowPrivate } = config.notify;
  const key = deriveKey(secretKey, SECRET_PURPOSE);
  return {
    senders: {
      email: createMailSender(smtp),
      webhook: createWebhookSender({
        allowPrivate,
        userAgent: `LabLink/${version}`,
        now: () => new Date(),
      }),
    },
    compose: async ({ event, data }: { readonly event: string; readonly data: unknown }) => {
      const { title } = await settings.read();
      return composeMessage(event, data, { title, site: siteOf(config), publicAddress: publicAddress() });
    },
    openSecret: (sealed: string): string | null => {
      const opened = unseal(sealed, key);
      return opened.ok ? opened.value : null;
    },
    onFailed: ({ event, kind }: { readonly event: string; readonly kind: string }, problem: string): void =>
      log.warn({ event, kind }, `A notification was not sent. ${problem}`),
  };
}

/** What the handlers of the notifications need. */
export function notificationOptions(
  { notify }: Config,
  secretKey: string,
): NotificationsDependencies['notifications'] {
  const { smtp, costLimitUsd, webhookAllowPrivate: allowPrivate } = notify;
  const key = deriveKey(secretKey, SECRET_PURPOSE);
  return {
    sendsEmail: smtp !== undefined,
    costLimitUsd,
    sealSecret: (secret) => seal(secret, key),
    webhookProblem: (address) => addressProblem(address, { allowPrivate }),
  };
}
