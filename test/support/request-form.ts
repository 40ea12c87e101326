// The form of participants, as a program sends it.

export function requestVmByForm(url: string, email: string): Promise<Response> {
  return fetch(`${url}/api/request_vm`, {
    method: 'POST',
    headers: { Accept: 'application/json' },
    body: new URLSearchParams({
      email,
      crd_command:
        'DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="4/0Aone" --redirect-url="https://remotedesktop.google.com/_/oauthredirect" --name=$(hostname)',
    }),
  });
}
