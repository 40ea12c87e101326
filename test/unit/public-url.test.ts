import { describe, expect, test } from 'vitest';
import { listenUrl } from '../../src/config/derive.ts';
import { failedKeys, good } from '../support/load-config.ts';

describe('the public address', () => {
  const dns = (more: string, ssl = ''): string =>
    `dns: { enabled: true, domain: example.org${more} }\n${ssl}`;
  const url = (env: Record<string, string>, file?: string): string | undefined =>
    good(env, file).config.server.publicUrl;

  test('PUBLIC_URL wins, and then the keys of dns are not required', () => {
    const env = { PUBLIC_URL: 'http://lab.example.org:8080', ALLOCATOR_PUBLIC_IP: '203.0.113.7' };
    expect(url(env, 'dns: { enabled: true }')).toBe('http://lab.example.org:8080');
  });

  test.each([
    ['prod', ', pattern: auto, app_name: lab', 'https://lab.example.org'],
    ['dev', ', pattern: auto, app_name: lab', 'https://dev.lab.example.org'],
    ['dev', ', pattern: auto', 'https://dev.lablink.example.org'],
    ['dev', ', pattern: app-only, app_name: lab', 'https://lab.example.org'],
    ['dev', ', pattern: custom, custom_subdomain: a.b', 'https://a.b.example.org'],
    ['dev', ', custom_subdomain: sub', 'https://sub.example.org'],
    ['dev', ', app_name: lab', 'https://dev.lab.example.org'],
    ['dev', '', 'https://example.org'],
  ])('in the stage %s, DNS with "%s" gives %s', (environment, more, expected) => {
    expect(url({ ENVIRONMENT: environment }, dns(more))).toBe(expected);
  });

  test.each([
    ['ssl: { provider: none }', 'http:'],
    ['ssl: { provider: "None" }', 'http:'],
    ['ssl: { provider: letsencrypt, staging: true }', 'http:'],
    ['ssl: { provider: letsencrypt, staging: false }', 'https:'],
    ['ssl: { provider: cloudflare }', 'https:'],
  ])('with %s the scheme is %s, and cookies are Secure with https', (ssl, scheme) => {
    const { config } = good({}, dns('', ssl));
    expect(config.server.publicUrl).toBe(`${scheme}//example.org`);
    expect(config.server.secureCookies).toBe(scheme === 'https:');
  });

  test('without DNS the public address is ALLOCATOR_PUBLIC_IP, also an IPv6 address', () => {
    expect(url({ ALLOCATOR_PUBLIC_IP: '203.0.113.7' })).toBe('https://203.0.113.7');
    expect(url({ ALLOCATOR_PUBLIC_IP: '2001:db8::1' }, 'ssl: { provider: none }')).toBe(
      'http://[2001:db8::1]',
    );
  });

  test('DNS that is enabled without a domain or subdomain is refused', () => {
    expect(failedKeys({}, 'dns: { enabled: true }')).toStrictEqual(['dns.domain']);
    expect(failedKeys({}, dns(', pattern: custom'))).toStrictEqual(['dns.custom_subdomain']);
    expect(failedKeys({}, dns(', custom_subdomain: "a b"'))).toStrictEqual(['dns']);
  });

  test('a listening address becomes an address that a browser can open', () => {
    expect(listenUrl('127.0.0.1', 5000)).toBe('http://127.0.0.1:5000');
    expect(listenUrl('0.0.0.0', 80)).toBe('http://localhost:80');
    expect(listenUrl('::1', 80)).toBe('http://[::1]:80');
  });
});
