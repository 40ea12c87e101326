import { describe, expect, test } from 'vitest';
import { checkPassword, risksOf } from '../../src/app/risks.ts';
import { serverNames } from '../../src/app/server-names.ts';
import { good } from '../support/load-config.ts';

const facts = (password: string, env: Record<string, string> = {}) => ({
  config: good({ PROVIDER: 'external', ...env }).config,
  admin: { password },
});
const LONG = 'twelve chars';
const PUBLIC = { HOST: '0.0.0.0' };

describe('the password of the admin', () => {
  test.each([
    ['7 characters', 'seven77', {}, true],
    ['7 characters, where others reach the server', 'seven77', PUBLIC, false],
    ['7 characters, on one address of the network', 'seven77', { HOST: '192.0.2.1' }, false],
    ['8 characters, where others reach the server', 'eight888', PUBLIC, true],
    ['7 characters on another loopback address', 'seven77', { HOST: '127.0.0.2' }, true],
    ['7 characters on ::1', 'seven77', { HOST: '::1' }, true],
  ])('of %s is accepted or refused at start', (_what, password, env, isAccepted) => {
    expect(checkPassword(facts(password, env)).ok).toBe(isAccepted);
  });

  test('of fewer than 12 characters is told, whatever reaches the server', () => {
    expect(risksOf(facts('elevenchars'))).toEqual([expect.stringContaining('fewer than 12 characters')]);
    expect(risksOf(facts(LONG))).toEqual([]);
  });
});

describe('machines without tokens', () => {
  test.each([
    ['on the loopback address', {}, 0],
    ['on every address, without https', PUBLIC, 1],
    ['on every address, behind https', { ...PUBLIC, PUBLIC_URL: 'https://lab.example.org' }, 0],
    ['on every address, with tokens required', { ...PUBLIC, VM_AUTH: 'required' }, 0],
    ['behind http', { ...PUBLIC, PUBLIC_URL: 'http://lab.example.org' }, 1],
  ])('%s are a risk or not', (_where, env, count) => {
    const risks = risksOf(facts(LONG, env));
    expect(risks).toHaveLength(count);
    if (count > 0) expect(risks[0]).toContain('VM_AUTH is open');
  });
});

describe('names of the server', () => {
  const names = [
    'localhost',
    'lab.localhost',
    '127.0.0.1',
    '127.0.0.9',
    '::1',
    'lab.example.org',
    'evil.example',
    'localhost.evil.example',
  ];
  test.each([
    ['on loopback', {}, 5],
    ['on loopback with a public address', { PUBLIC_URL: 'https://lab.example.org' }, 6],
    ['on loopback behind a trusted proxy', { TRUST_PROXY: '1' }, names.length],
    ['on every address', PUBLIC, names.length],
  ])('%s are its own alone, as far as that can be known', (_where, env, count) => {
    const { isOwnHost = () => true } = serverNames(good({ PROVIDER: 'external', ...env }).config.server);
    expect(names.filter((name) => isOwnHost(name))).toEqual(names.slice(0, count));
  });
});
