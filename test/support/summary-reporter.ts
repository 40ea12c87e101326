// The end of `make test`, in a file that make prints: the slowest files, the tests that passed only when they
// were repeated, the tests that failed, and the outcome in one line.
import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

const SLOWEST = 20;
const REASON_LENGTH = 300;

export class SummaryReporter implements Reporter {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    writeFileSync(this.#file, summarize(modules, unhandled));
  }
}

function summarize(modules: readonly TestModule[], unhandled: readonly SerializedError[]): string {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const inState = (state: string) => tests.filter((test) => test.result().state === state);
  const withReason = (test: TestCase) => `${nameOf(test)}\n      ${reasonOf(test.result().errors?.[0])}`;
  const failures = [
    ...inState('failed').map(withReason),
    // A file that cannot be loaded, a hook that fails and an error outside of all tests each count as one failed test.
    ...modules.flatMap((module) => {
      const errors = [
        ...module.errors(),
        ...[...module.children.allSuites()].flatMap((suite) => suite.errors()),
      ];
      return errors.map((error) => `${module.relativeModuleId}\n      ${reasonOf(error)}`);
    }),
    ...unhandled.map((error) => `outside of all tests\n      ${reasonOf(error)}`),
  ];
  const skipped = inState('skipped').length;
  return [
    section(`The ${SLOWEST} slowest test files:`, slowestFiles(modules)),
    section('Passed only when repeated:', tests.filter((test) => test.diagnostic()?.flaky).map(withReason)),
    section('Failed:', failures),
    `${inState('passed').length} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`,
  ].join('');
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${title}\n${lines.map((line) => `    ${line}\n`).join('')}\n`;
}

function slowestFiles(modules: readonly TestModule[]): string[] {
  return modules
    .map((module) => {
      const { collectDuration, setupDuration, duration } = module.diagnostic();
      return { name: module.relativeModuleId, seconds: (collectDuration + setupDuration + duration) / 1000 };
    })
    .toSorted((a, b) => b.seconds - a.seconds)
    .slice(0, SLOWEST)
    .map(({ name, seconds }) => `${seconds.toFixed(1).padStart(6)} s  ${name}`);
}

function nameOf({ module, fullName }: TestCase): string {
  return `${module.relativeModuleId} > ${fullName}`;
}

function reasonOf(error: { readonly message?: string } | undefined): string {
  return (error?.message ?? 'no message').replaceAll(/\s+/g, ' ').slice(0, REASON_LENGTH);
}
