// A minimal HTTP/1.1 client: one keep-alive connection, one request at a time. It must be cheap, because the load generator
// shares the computer with the server. It understands only the responses of this server.
import { connect } from 'node:net';

export type Answer = {
  readonly status: number;
  /** Each byte as one character; a chunked body includes its chunk headers. */
  readonly body: string;
};

export type Connection = {
  /** Sends the bytes of a request; rejects if the connection is lost before the answer is complete. */
  readonly send: (request: string) => Promise<Answer>;
  readonly close: () => void;
};

type Waiting = { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void };

export function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let waiting: Waiting | null = null;
  let received = '';
  const fail = (error: Error): void => {
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
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('The server closed the connection.')));
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

/** Null while the response is incomplete. */
function readAnswer(text: string): Answer | null {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const head = text.slice(0, headEnd);
  const body = text.slice(headEnd + 4);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  const complete = length === undefined ? body.endsWith('\r\n0\r\n\r\n') : body.length >= Number(length);
  return complete ? { status: Number(head.slice(9, 12)), body } : null;
}
