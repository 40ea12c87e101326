// The text of the requests, as a browser and a VM's programs send them.

const COMMAND =
  'DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="4/0AbenchBenchBench" ' +
  '--redirect-url="https://remotedesktop.google.com/_/oauthredirect" --name=$(hostname)';

type Post = {
  readonly port: number;
  readonly path: string;
  readonly type: string;
  readonly body: string;
  readonly headers?: string;
};

function post({ port, path, type, body, headers = '' }: Post): string {
  return (
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${headers}` +
    `Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** The form, as a browser sends it. `email` must be ASCII. */
export function formRequest(port: number, email: string, accept: string): string {
  const body = new URLSearchParams({ email, crd_command: COMMAND }).toString();
  const headers = `Origin: http://127.0.0.1:${port}\r\nSec-Fetch-Site: same-origin\r\nAccept: ${accept}\r\n`;
  return post({ port, path: '/api/request_vm', type: 'application/x-www-form-urlencoded', body, headers });
}

export function pollRequest(port: number, hostname: string): string {
  return post({ port, path: '/vm_startup', type: 'application/json', body: JSON.stringify({ hostname }) });
}

export function logRequest(port: number, hostname: string, lines: readonly string[]): string {
  const body = JSON.stringify({ log_group: '/bench', log_stream: hostname, messages: lines });
  return post({ port, path: '/api/vm-logs', type: 'application/json', body });
}

export function heartbeatRequest(port: number, hostname: string): string {
  const body = JSON.stringify({ boot_id: `boot-${hostname}`, free_disk_bytes: 50_000_000_000 });
  return post({ port, path: `/api/v1/vms/${hostname}/heartbeat`, type: 'application/json', body });
}

/** As a browser that has no cookie yet asks for a page, a file or a count. */
export function getRequest(port: number, path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: text/html,*/*\r\n\r\n`;
}
