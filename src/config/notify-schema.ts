// The settings of notifications: the mail server, webhooks, and the limit of the bill.
import { z } from 'zod';
import { env } from './setting.ts';
import * as rules from './rules.ts';

export const notifySettings = z.object({
  smtp: z
    .object({
      host: env('SMTP_HOST', rules.hostName, {
        otherwise: 'none: no e-mail is sent',
        meaning: 'The mail server that sends notifications.',
      }),
      port: env('SMTP_PORT', rules.wholeNumber(1, 65_535), {
        otherwise: '587, or 465 with `SMTP_TLS=tls`',
        meaning: 'Its port.',
      }),
      tls: env('SMTP_TLS', rules.oneOf(['starttls', 'tls', 'none']), {
        default: 'starttls',
        meaning:
          'How the connection is encrypted: `starttls` (refused where the server cannot), `tls` from the first byte, or `none`, which allows a password only on this computer.',
      }),
      user: env('SMTP_USER', rules.plainText, {
        otherwise: 'none: without a login',
        meaning: 'User of the mail server. Needs `SMTP_PASSWORD`.',
      }),
      password: env('SMTP_PASSWORD', rules.filledText, {
        otherwise: 'none',
        meaning: 'Password of that user.',
        secret: true,
      }),
      from: env('SMTP_FROM', rules.emailAddress, {
        otherwise: 'none: needed with `SMTP_HOST`',
        meaning: 'The sender of the e-mails.',
      }),
    })
    .describe('E-mail'),
  webhookAllowPrivate: env('WEBHOOK_ALLOW_PRIVATE', rules.flag, {
    default: false,
    meaning:
      'Whether webhooks may be at addresses that are not public (this computer, its network), and without TLS. Everybody who is an admin can then make the server send requests there.',
  }),
  costLimitUsd: env('COST_LIMIT_USD', rules.wholeNumber(0, 1_000_000, 'US dollars'), {
    default: 0,
    meaning:
      'Recipients of notifications are warned when the estimated cost so far reaches this, and each multiple of it; `0`: never.',
  }),
});
