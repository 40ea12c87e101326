// Whole answers of text are compressed as the client can read them; polls and events are not.
import { describe, expect, test } from 'vitest';
import { sendRaw } from '../support/raw-http.ts';
import { html, json, startStub, VM } from './harness.ts';

const page = `<p>${'a machine for everybody '.repeat(500)}</p>`;
const asset = {
  status: 200,
  type: 'text/css',
  body: page,
  headers: { 'Cache-Control': 'public, immutable' },
};

describe('an answer', () => {
  test.each([
    ['gzip, deflate, br, zstd', 'br'],
    ['gzip', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['*', 'br'],
    ['identity', undefined],
    ['', undefined],
  ])('an answer to a client that accepts %j is encoded with %s', async (accepted, encoding) => {
    await using http = await startStub({ checkPage: () => html(page) });
    const answer = await sendRaw(http.url, { path: '/check', headers: { 'Accept-Encoding': accepted } });
    expect(answer.headers['content-encoding']).toBe(encoding);
    expect(answer.headers['vary']).toBe('Accept-Encoding');
    const response = await http.get('/check', { headers: { 'accept-encoding': accepted } });
    expect(await response.text()).toBe(page);
    if (encoding !== undefined)
      expect(Buffer.byteLength(answer.text, 'latin1')).toBeLessThan(page.length / 10);
  });

  test('a short answer is not compressed', async () => {
    await using http = await startStub({ checkPage: () => html('<p>short</p>') });
    const answer = await sendRaw(http.url, { path: '/check', headers: { 'Accept-Encoding': 'br' } });
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.text).toBe('<p>short</p>');
  });

  test('a JSON answer is compressed', async () => {
    await using http = await startStub({ getContractJson: () => json({ text: page }) });
    const response = await http.get('/openapi.json', { headers: { 'accept-encoding': 'gzip' } });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(await response.json()).toEqual({ text: page });
  });

  test('the answer to a long poll is not compressed', async () => {
    await using http = await startStub(
      { vmStartup: () => json({ status: 'success', pin: page }) },
      { responseFaults: 'log' },
    );
    const response = await http.post('/vm_startup', { hostname: VM }, { 'accept-encoding': 'br' });
    expect(response.headers.get('content-encoding')).toBeNull();
  });

  test('an answer that never changes is compressed once, also for another site', async () => {
    await using http = await startStub({ getAsset: () => asset });
    const headers = { 'accept-encoding': 'br', 'sec-fetch-site': 'cross-site' };
    const first = await http.get('/static/app.css', { headers });
    const second = await http.get('/static/app.css', { headers });
    expect(first.headers.get('content-encoding')).toBe('br');
    expect(first.headers.get('vary')).toBe('Accept-Encoding');
    expect(second.headers.get('content-length')).toBe(first.headers.get('content-length'));
    expect(await second.text()).toBe(page);
  });

  test('an answer that may contain a secret is not compressed for another site, which could guess it by its length', async () => {
    await using http = await startStub({ checkPage: () => html(page) });
    const headers = { 'accept-encoding': 'br', 'sec-fetch-site': 'cross-site' };
    expect((await http.get('/check', { headers })).headers.get('content-encoding')).toBeNull();
  });

  test('an answer to HEAD has no encoding and no body, and the same Vary as GET', async () => {
    await using http = await startStub({ checkPage: () => html(page) });
    const response = await http.get('/check', { method: 'HEAD', headers: { 'accept-encoding': 'br' } });
    expect(response.headers.get('vary')).toBe('Accept-Encoding');
    expect(response.headers.get('content-encoding')).toBeNull();
    expect(await response.text()).toBe('');
  });
});
