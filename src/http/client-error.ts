// Requests that are not valid HTTP: refused with one line, and the connection closed. Below the contract. What a browser
// can send too, too many cookies, is refused with a page.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

const ANSWERS: Readonly<Record<string, readonly [status: string, sentence: string]>> = {
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Payload Too Large', 'The chunk extensions are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not arrive in time.'],
};
const OTHER = ['400 Bad Request', 'This is not a valid HTTP request.'] as const;

const TOO_LARGE = [
  '431 Request Header Fields Too Large',
  'The address and the headers are too long.',
] as const;
/** It stands alone: without its headers, nothing is known of the request. */
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width" />
    <title>Your browser sent too many cookies</title>
  </head>
  <body>
    <h1>Your browser sent too many cookies</h1>
    <p>The server did not read the request, because its address and headers are too long. Usually these are cookies of other pages at the same address.</p>
    <p>Delete the cookies of this site in your browser's settings, or open this page in a private window, then try again. If it happens again, tell your instructor.</p>
  </body>
</html>
`;

export function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable || hasAnswerUnderWay(socket)) {
    socket.destroy();
    return;
  }
  const isOverflow = error.code === 'HPE_HEADER_OVERFLOW';
  const [status, sentence] = isOverflow ? TOO_LARGE : (ANSWERS[error.code ?? ''] ?? OTHER);
  const body = isOverflow ? PAGE : `${sentence}\n`;
  const head = [
    `HTTP/1.1 ${status}`,
    'Connection: close',
    'Cache-Control: no-store',
    `Content-Type: ${isOverflow ? 'text/html' : 'text/plain'}; charset=utf-8`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ].join('\r\n');
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
}

/** A second answer in the middle of another one would look like a part of it. */
function hasAnswerUnderWay(socket: Duplex | Socket): boolean {
  const message: unknown = Reflect.get(socket, '_httpMessage');
  return typeof message === 'object' && message !== null && Reflect.get(message, '_headerSent') === true;
}
