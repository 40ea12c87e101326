// A real SMTP server that keeps what it receives.
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

type ReceivedMail = {
  readonly from: string;
  readonly to: readonly string[];
  readonly headers: string;
  readonly subject: string;
  /** With the encoding of lines undone. */
  readonly text: string;
  readonly isEncrypted: boolean;
};

export type MailServer = AsyncDisposable & {
  readonly port: number;
  readonly received: readonly ReceivedMail[];
  /** Messages that have arrived whole, also those that were not answered yet. */
  readonly arrived: () => number;
  /** From now on, a message that has arrived is answered after `release`. */
  readonly hold: () => void;
  readonly release: () => void;
  /** From now on, messages are refused with this code; null = accepted. */
  readonly refuse: (code: number | null) => void;
  /** The settings of an allocator that sends by it. */
  readonly env: Readonly<Record<string, string>>;
};

/** Listens on loopback, without a login, and without encryption unless `options` say so. */
export async function startMailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const received: ReceivedMail[] = [];
  let arrived = 0;
  let refusal: number | null = null;
  let held = { promise: Promise.resolve(), resolve: (): void => undefined };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 100,
    onData: (stream, { envelope, secure }, answer) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
      stream.on('end', () => {
        arrived += 1;
        void held.promise.then(() => {
          if (refusal !== null) {
            answer(Object.assign(new Error('refused by the test'), { responseCode: refusal }));
            return;
          }
          const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
          const to = envelope.rcptTo.map(({ address }) => address);
          received.push({
            from,
            to,
            ...partsOf(Buffer.concat(chunks).toString('utf8')),
            isEncrypted: secure,
          });
          answer(null);
        });
      });
    },
    ...options,
  });
  // Clients that give up reset the connection.
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    port,
    received,
    arrived: () => arrived,
    hold: () => {
      held = Promise.withResolvers();
    },
    release: () => held.resolve(),
    refuse: (code) => {
      refusal = code;
    },
    env: {
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(port),
      SMTP_TLS: 'none',
      SMTP_FROM: 'lablink@example.org',
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        held.resolve();
        server.close(() => resolve());
      }),
  };
}

function partsOf(raw: string): Pick<ReceivedMail, 'headers' | 'subject' | 'text'> {
  const [headers = '', ...body] = raw.split('\r\n\r\n');
  const unfolded = headers.replaceAll(/\r\n[ \t]+/g, ' ');
  const subject = /^Subject: (.*)$/m.exec(unfolded)?.[1] ?? '';
  const text = body.join('\n\n').replaceAll('\r\n', '\n');
  const isQuoted = /^Content-Transfer-Encoding: quoted-printable/im.test(headers);
  return { headers, subject: decodeWords(subject), text: isQuoted ? decodeQuoted(text) : text };
}

function decodeQuoted(text: string): string {
  const joined = text.replaceAll('=\n', '');
  const bytes = joined.replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** Encoded words of a header, RFC 2047. */
function decodeWords(header: string): string {
  return header
    .replaceAll(/\?= =\?/g, '?==?')
    .replaceAll(/=\?utf-8\?([qb])\?([^?]*)\?=/gi, (_, kind: string, word: string) =>
      kind.toLowerCase() === 'b'
        ? Buffer.from(word, 'base64').toString('utf8')
        : decodeQuoted(word.replaceAll('_', ' ')),
    );
}
