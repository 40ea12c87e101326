import { describe, expect, test } from 'vitest';
import { problem, problemBody, ProblemError, problems } from '../../src/contract/problems.ts';
import { renderDocs } from '../../src/pages/docs.ts';
import { renderError, renderProblem } from '../../src/pages/problem.ts';
import { tagOf, textOf } from '../support/page-models.ts';

describe('the detail of an invalid request', () => {
  const wrong = (field: string, message: string) => ({ field, code: 'type', message });
  const email = wrong('email', 'This is not an e-mail address.');
  const count = wrong('num_vms', 'num_vms must be a whole number');

  test('names the fields that are wrong, for programs that read only `error`', () => {
    const detail = 'email: This is not an e-mail address; num_vms must be a whole number.';
    const errors = [email, count];
    expect(problemBody('invalid_request', { errors })).toMatchObject({ detail, error: detail, errors });
    expect(problem('invalid_request', { errors }).body.detail).toBe(detail);
    expect(new ProblemError('invalid_request', { errors }).message).toBe(detail);
  });

  test('names three fields where more are wrong', () => {
    const errors = [
      count,
      email,
      wrong('hours', 'hours must be a number'),
      wrong('kind', 'kind is required'),
    ];
    expect(problemBody('invalid_request', { errors })).toMatchObject({
      detail:
        'num_vms must be a whole number; email: This is not an e-mail address; hours must be a number; and more.',
      errors,
    });
  });

  test('is the sentence of its place, or of the catalogue where no field is wrong', () => {
    const detail = 'Email and CRD command are required.';
    expect(problemBody('invalid_request', { errors: [email], detail }).error).toBe(detail);
    expect(problemBody('invalid_request', { errors: [] }).error).toBe(problems.invalid_request.detail);
    expect(problemBody('account_exists', { errors: [email] }).error).toBe(problems.account_exists.detail);
  });
});

describe('the error page', () => {
  test.each(Object.keys(problems) as (keyof typeof problems)[])(
    'the error page of %s says what is wrong and what to do',
    (code) => {
      const html = renderError({
        problem: { ...problemBody(code), request_id: 'req-1' },
        area: 'participant',
      });
      const text = textOf(html);
      expect(html).toContain('<title>Error: ');
      expect(text).toContain(problems[code].title);
      expect(text).toContain(`${problems[code].status} ${code}`);
      expect(text).toMatch(/What to do [A-Z]/);
      expect(text).toContain('Request ID: req-1');
      expect(html).toContain('<a class="btn btn-primary" href="/">');
    },
  );

  test('the error page shows code as code, and the fields that are wrong', () => {
    const html = renderError({
      problem: problemBody('invalid_request', {
        detail: 'Send it as `text`.',
        errors: [{ field: 'num_vms', code: 'type', message: 'must be a number' }],
      }),
      area: 'admin',
    });
    expect(html).toContain('Send it as <code>text</code>.');
    expect(html).toContain('<code>num_vms</code>: must be a number');
    expect(html).toContain('<a class="btn btn-primary" href="/admin">');
    expect(html).not.toContain('Request ID');
  });

  test.each([undefined, 'page must be a whole number.'])(
    'the error page says once what is wrong with a field, detail: %s',
    (detail) => {
      const error = { field: 'page', code: 'type', message: 'page must be a whole number.' };
      const text = textOf(
        renderError({
          problem: problemBody('invalid_request', { errors: [error], ...(detail && { detail }) }),
          area: 'admin',
        }),
      );
      expect(text.match(/page must be a whole number/g)).toHaveLength(1);
      expect(text).not.toContain('page: page');
    },
  );
});

describe('the page of a problem', () => {
  test('the page of a refused form is the form again, with what was typed', () => {
    const problem = problemBody('invalid_request', {
      errors: [{ field: 'email', code: 'max_length', message: 'is too long' }],
    });
    const form = { email: 'ada@example.org', crd_command: ['DISPLAY= x', 'twice'] };
    const html = renderProblem(problem, { endpointId: 'requestVm', form });
    expect(html).toContain('<h1>Get your machine</h1>');
    expect(tagOf(html, 'email')).toMatch(/value="ada@example.org".* aria-invalid="true"/);
    expect(html).toMatch(/<textarea[^>]*>\nDISPLAY= x<\/textarea>/);
    expect(html).not.toContain('id="pin"');
    expect(textOf(html)).not.toMatch(/machines? (is|are) free|not known right now/);
  });

  test.each([
    ['required', 'is required', 'Enter your e-mail address and paste the command.'],
    ['min_length', 'must not be empty', 'Enter your e-mail address and paste the command.'],
    ['max_length', 'must have at most 320 characters', 'Please correct the fields below.'],
  ])('speaks to people where a field breaks the rule %s', (code, fault, sentence) => {
    const errors = [
      { field: 'crd_command', code: 'required', message: 'crd_command is required' },
      { field: 'email', code, message: `email ${fault}` },
    ];
    const problem = problemBody('invalid_request', { errors });
    const text = textOf(renderProblem(problem, { endpointId: 'requestVm', form: {} }));
    expect(text).toContain(sentence);
    expect(text).toContain(`The e-mail address ${fault}`);
    expect(text).toContain('The command is required');
    expect(text).not.toContain('errors');
  });

  test('the form asks for the PIN again where one was sent', () => {
    const problem = problemBody('database_unavailable');
    const html = renderProblem(problem, { endpointId: 'requestVm', form: { pin: '123456' } });
    expect(tagOf(html, 'pin')).toContain('value=""');
    expect(html).toContain(problems.database_unavailable.detail);
  });

  test('the page of a form that could not be read is an empty form', () => {
    const html = renderProblem(problemBody('body_too_large'), { endpointId: 'requestVm', form: null });
    expect(html).toContain(problems.body_too_large.detail);
    expect(tagOf(html, 'email')).toContain('value=""');
  });

  test.each([
    ['adminPage', '/admin'],
    ['operationPage', '/admin'],
    ['assignmentPage', '/'],
    [null, '/'],
  ] as const)('the error page of %s leads back to %s', (endpointId, home) => {
    const html = renderProblem(problemBody('overloaded'), { endpointId, form: null });
    expect(html).toContain('<h1>Overloaded</h1>');
    expect(html).toContain(`<a class="btn btn-primary" href="${home}">`);
  });
});

describe('the docs page', () => {
  test('the docs page loads the viewer from this server, and lists every problem at the anchor of its type', () => {
    const html = renderDocs();
    for (const file of ['swagger-ui.css', 'swagger-ui-bundle.js', 'docs.js']) {
      expect(html).toMatch(new RegExp(`"/static/${file.replace('.', '[.][0-9A-Z]{8}[.]')}"`));
    }
    expect(html).toContain('data-contract="/openapi.json"');
    for (const code of Object.keys(problems) as (keyof typeof problems)[]) {
      expect(html).toContain(`id="${problemBody(code).type.split('#')[1] ?? ''}"`);
    }
  });
});
