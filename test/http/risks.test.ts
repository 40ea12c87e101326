// A dangerous configuration is told for as long as it is so, or refused.
import { expect, test } from 'vitest';
import { startTestServer } from '../support/server.ts';

test('health and the overview tell what is dangerous, and the server serves', async () => {
  await using server = await startTestServer({ HOST: '0.0.0.0', ADMIN_PASSWORD: 'elevenchars' });
  const { data, response } = await server.client.GET('/api/health');
  expect([response.status, data?.status]).toEqual([200, 'ok']);
  const told = data?.checks.find(({ name }) => name === 'configuration');
  expect(told?.ok).toBe(true);
  expect(told?.detail).toContain('fewer than 12 characters');
  expect(told?.detail).toContain('VM_AUTH is open');
  const authorization = `Basic ${Buffer.from('admin:elevenchars').toString('base64')}`;
  const overview = await fetch(`${server.url}/admin`, { headers: { authorization } });
  expect(await overview.text()).toMatch(/Warning<\/span> <strong>Configuration/);
});

test('a password of seven characters is refused where other computers reach the server', async () => {
  await expect(startTestServer({ HOST: '0.0.0.0', ADMIN_PASSWORD: 'seven77' })).rejects.toThrow(
    'fewer than 8 characters',
  );
});

test('a good configuration has nothing to tell', async () => {
  await using server = await startTestServer();
  const { data } = await server.client.GET('/api/health');
  expect(data?.checks.map(({ name }) => name)).not.toContain('configuration');
});
