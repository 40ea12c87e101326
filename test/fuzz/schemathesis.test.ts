// The contract under fuzz: Schemathesis reads /openapi.yaml from a running server and sends what the contract allows and
// what it forbids. Whatever the server answers must be declared, and never be a fault of the server.
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { hashToken } from '../../src/vms/token.ts';
import { endpointIds, infoOf } from '../support/contract-examples.ts';
import { requirePart } from '../support/required.ts';
import { fuzzSeed, runSchemathesis, SCHEMATHESIS, seedOf, type FuzzReport } from '../support/schemathesis.ts';
import { EXAMPLE, seedLab } from '../support/example-rows.ts';
import { ADMIN, startTestServer, type TestServer } from '../support/server.ts';

const CASES_MIN = 3_000;
/** The longest run takes a few minutes on two cores of its own, far longer on shared ones. */
const TIME_LIMIT_MS = 1_200_000;
const MODE = { POLL_MAX_SECONDS: '1', REQUESTS_PER_MINUTE: '10000000' };
const VM_TOKEN = 'a-token-of-the-tests';
/** The default phases send what the contract's examples, its edges and chance suggest, one by one and in sequences. */
const WITHOUT_CHANCE = '--phases=examples,coverage';

const adminAuth = `
[auth.openapi.adminBasic]
username = "${ADMIN.user}"
password = "${ADMIN.password}"
`;
const vmAuth = `
[auth.openapi.vmToken]
bearer = "${VM_TOKEN}"
`;

const seed = fuzzSeed();
if (existsSync(SCHEMATHESIS)) console.log(`Schemathesis: FUZZ_SEED=${seed} repeats these cases.`);

const hasSchemathesis = requirePart('Schemathesis', existsSync(SCHEMATHESIS), 'Run `make python`.');

/**
 * Where somebody without credentials gets more than 401; test/http/coverage.test.ts expects that from the others. Schemathesis would
 * read the contract itself as YAML where it is named.
 */
const OPEN = endpointIds.filter((id) => {
  const { security, path } = infoOf(id);
  return path !== '/openapi.yaml' && security.some((schemes) => !schemes.includes('adminBasic'));
});

const DOWNLOADS: readonly string[] = ['downloadData', 'downloadVmData'];

function expectClean(report: FuzzReport): void {
  expect(report.failures, report.output).toEqual([]);
  expect(report.errors, report.output).toEqual([]);
  expect(report).toMatchObject({ complete: true, stop_reason: 'completed' });
  expect(report.operations).toMatchObject({ tested: report.operations.selected, errored: 0 });
  expect(report.test_cases).toMatchObject({ with_failures: 0, errored: 0 });
}

const lineSchema = z.object({
  level: z.string(),
  msg: z.string(),
  endpoint: z.string().nullish(),
  status: z.number().nullish(),
});

/** What the server itself has to say: no fault, nothing undeclared. Returns how many requests it has answered. */
function expectServedWell({ logLines }: TestServer): number {
  const lines = logLines.map((line) => lineSchema.parse(JSON.parse(line)));
  expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
  const answers = lines.flatMap(({ endpoint, status }) =>
    endpoint !== undefined && typeof status === 'number' ? [{ endpoint, status }] : [],
  );
  // No machine of the lab can be entered, which a download has to tell.
  const faults = answers.filter(
    ({ endpoint, status }) =>
      status >= 500 && status !== 503 && !(status === 500 && DOWNLOADS.includes(endpoint ?? '')),
  );
  expect(faults).toEqual([]);
  const undeclared = answers.filter(({ endpoint, status }) => {
    const id = endpointIds.find((each) => each === endpoint);
    return id !== undefined && !(String(status) in infoOf(id).responses);
  });
  expect(undeclared).toEqual([]);
  return answers.length;
}

test('each commit has a seed of its own, which can be given, and a wrong one is refused', () => {
  expect(seedOf('a')).not.toBe(seedOf('b'));
  expect(seedOf('a')).toBe(seedOf('a'));
  expect(fuzzSeed({ FUZZ_SEED: '42' })).toBe(42);
  expect(fuzzSeed({})).toBe(fuzzSeed({ FUZZ_SEED: '' }));
  expect(() => fuzzSeed({ FUZZ_SEED: 'x' })).toThrow('FUZZ_SEED must be a number');
});

describe.skipIf(!hasSchemathesis)('the contract under fuzz', () => {
  test(
    'thousands of generated requests by an admin and by nobody get only declared answers and no internal error',
    async () => {
      await using server = await startTestServer(MODE);
      await seedLab(server.db);
      const first = await runSchemathesis(server.url, {
        config: adminAuth,
        seed,
        args: ['--exclude-operation-id=destroyVms'],
      });
      expectClean(first);
      await seedLab(server.db);
      const nobody = await runSchemathesis(server.url, {
        config: '',
        seed,
        args: [WITHOUT_CHANCE, ...OPEN.map((id) => `--include-operation-id=${id}`)],
      });
      expectClean(nobody);
      // It clears the rows that everything else is about.
      const last = await runSchemathesis(server.url, {
        config: adminAuth,
        seed,
        args: ['--include-operation-id=destroyVms'],
      });
      expectClean(last);
      // Schemathesis leaves out the operation that it has the contract from.
      const selected = first.operations.selected + last.operations.selected;
      expect(selected).toBe(endpointIds.length - 1);
      const cases = [first, nobody, last].map((report) => report.test_cases.generated);
      const answered = expectServedWell(server);
      console.log(`Schemathesis sent ${cases.join(' + ')} cases; the server answered ${answered} requests.`);
      expect(first.test_cases.generated).toBeGreaterThanOrEqual(CASES_MIN);
      expect(answered).toBeGreaterThanOrEqual(CASES_MIN);
    },
    TIME_LIMIT_MS,
  );

  test(
    'generated requests by a VM with its token get only declared answers and no internal error',
    async () => {
      await using server = await startTestServer({ ...MODE, VM_AUTH: 'required' });
      await seedLab(server.db);
      await server.db
        .updateTable('vms')
        .set({ token_hash: hashToken(VM_TOKEN) })
        .where('hostname', '=', EXAMPLE.hostname)
        .execute();
      const args = [WITHOUT_CHANCE, '--include-tag=vm', '--include-tag=recycling'];
      expectClean(await runSchemathesis(server.url, { config: vmAuth, args, seed }));
      expectServedWell(server);
    },
    TIME_LIMIT_MS,
  );
});
