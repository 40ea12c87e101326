// Sends e-mails over SMTP. The only file that uses nodemailer.
import { createTransport } from 'nodemailer';
import { failed, type Send, type SendFailure } from './transport.ts';

export type MailSettings = {
  readonly host: string;
  readonly port: number;
  readonly tls: 'starttls' | 'tls' | 'none';
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly from: string;
};

const CONNECT_MS = 10_000;
/** Without a byte; slow servers look into each message before they accept it. */
const SILENT_MS = 60_000;
const ANSWER_BYTES = 16_384;

/** @param settings undefined = no mail server is configured */
export function createMailSender(settings: MailSettings | undefined): Send {
  if (settings === undefined)
    return () => Promise.resolve(failed('No mail server is configured (SMTP_HOST).', { isFinal: true }));
  const { host, port, tls, user, password, from } = settings;
  const transporter = createTransport({
    host,
    port,
    secure: tls === 'tls',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    ...(user !== undefined && password !== undefined && { auth: { user, pass: password } }),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: SILENT_MS,
    socketTimeout: SILENT_MS,
    maxResponseSize: ANSWER_BYTES,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return async ({ id, address, subject, text }, signal) => {
    try {
      await transporter.sendMail({
        from,
        // As an object, the address is not parsed: a comma in it makes no second recipient.
        to: { name: '', address },
        subject,
        text,
        messageId: `<${id}@${from.slice(from.indexOf('@') + 1)}>`,
        headers: { 'Auto-Submitted': 'auto-generated' },
        signal,
      });
      return null;
    } catch (error) {
      return failureOf(error);
    }
  };
}

const PERMANENT = 500;

/** What happened to the connection or to the login, or what the server answered. */
function failureOf(error: unknown): SendFailure {
  const { responseCode, code } = numbersOf(error);
  const sentence = sentences[code ?? ''];
  if (sentence !== undefined) return failed(sentence);
  if (responseCode === null) return failed(`The mail server could not be used (${code ?? 'unknown error'}).`);
  return failed(`The mail server answered ${responseCode}.`, { isFinal: responseCode >= PERMANENT });
}

const sentences: Readonly<Record<string, string>> = {
  EAUTH: 'The mail server refused the login (SMTP_USER, SMTP_PASSWORD).',
  ETLS: 'The connection to the mail server could not be encrypted (SMTP_TLS).',
  EDNS: 'The mail server was not found (SMTP_HOST).',
  ETIMEDOUT: 'The mail server did not answer in time.',
  ESOCKET: 'The mail server could not be reached, or its certificate is not trusted.',
  ECONNECTION: 'The connection to the mail server was lost.',
  EABORT: 'The mail server did not answer in time.',
};

function numbersOf(error: unknown): { readonly responseCode: number | null; readonly code: string | null } {
  if (typeof error !== 'object' || error === null) return { responseCode: null, code: null };
  return {
    responseCode:
      'responseCode' in error && typeof error.responseCode === 'number' ? error.responseCode : null,
    code: 'code' in error && typeof error.code === 'string' ? error.code : null,
  };
}
