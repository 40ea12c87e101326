// A real receiver of webhooks, which checks signatures with the library of Standard Webhooks.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';

const payloadSchema = z.object({
  type: z.string(),
  timestamp: z.string(),
  data: z.looseObject({ title: z.string(), message: z.string(), link: z.string() }),
});

type ReceivedWebhook = {
  readonly id: string;
  readonly payload: z.output<typeof payloadSchema>;
};

export type WebhookReceiver = AsyncDisposable & {
  readonly url: string;
  readonly secret: string;
  /** Requests that came, whatever they were answered. */
  readonly requests: readonly { readonly path: string; readonly headers: IncomingHttpHeaders }[];
  /** Those with a right signature that were answered with 200. */
  readonly received: readonly ReceivedWebhook[];
  /** How the next requests are answered; null = with 200. */
  readonly answerWith: (answer: ((response: ServerResponse) => void) | null) => void;
};

/** Listens on loopback: the allocator needs WEBHOOK_ALLOW_PRIVATE. */
export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const requests: { path: string; headers: IncomingHttpHeaders }[] = [];
  const received: ReceivedWebhook[] = [];
  let answer: ((response: ServerResponse) => void) | null = null;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('end', () => {
      requests.push({ path: request.url ?? '', headers: request.headers });
      if (answer !== null) {
        answer(response);
        return;
      }
      try {
        const text = Buffer.concat(chunks).toString('utf8');
        const headers = Object.fromEntries(
          Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
        );
        const payload = payloadSchema.parse(new Webhook(secret).verify(text, headers));
        received.push({ id: headers['webhook-id'] ?? '', payload });
        response.writeHead(200).end();
      } catch {
        response.writeHead(401).end();
      }
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    secret,
    requests,
    received,
    answerWith: (given) => {
      answer = given;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
