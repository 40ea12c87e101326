// HTTP/1.1 over one kept-alive connection, one request at a time, as cheaply as can be: the load generator shares the
// machine with what it measures. Knows only what our server sends.
import { connect } from 'node:net';

export type Answer = {
  readonly status: number;
  /** Bytes as characters; chunked ones with their framing. */
  readonly body: string;
};

export type Connection = {
  /** Sends the bytes of a request; rejects where the connection is lost before the answer is complete. */
  readonly send: (request: string) => Promise<Answer>;
  readonly close: () => void;
};

type Waiting = { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void };

export function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let waiting: Waiting | null = null;
  let received = '';
  const lose = (error: Error): void => {
    waiting?.reject(error);
    waiting = null;
  };
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    received += text;
    const answer = readAnswer(received);
    if (answer === null) return;
    received = '';
    waiting?.resolve(answer);
    waiting = null;
  });
  socket.on('error', lose);
  socket.on('close', () => lose(new Error('The server closed the connection.')));
  const connection: Connection = {
    send: (request) =>
      new Promise((resolve, reject) => {
        if (waiting) throw new Error('One request at a time.');
        waiting = { resolve, reject };
        socket.write(request, 'latin1');
      }),
    close: () => socket.destroy(),
  };
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(connection));
    socket.once('error', reject);
  });
}

/** null = there is more to come. */
function readAnswer(text: string): Answer | null {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const head = text.slice(0, headEnd);
  const body = text.slice(headEnd + 4);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  const complete = length === undefined ? body.endsWith('\r\n0\r\n\r\n') : body.length >= Number(length);
  return complete ? { status: Number(head.slice(9, 12)), body } : null;
}
