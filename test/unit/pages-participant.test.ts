import { describe, expect, test } from 'vitest';
import { renderIndex } from '../../src/pages/index-page.ts';
import { renderSuccess } from '../../src/pages/success.ts';
import { words } from '../../src/pages/words.ts';
import { assigned, form, ID, tagOf, textOf } from '../support/page-models.ts';

describe('the form', () => {
  test('sends the e-mail and the command to /api/request_vm, and tells where the command comes from', () => {
    const html = renderIndex(form);
    expect(html).toMatch(/<form[^>]* method="post" action="\/api\/request_vm"/);
    expect(html).toContain('name="email"');
    expect(html).toMatch(/<textarea[^>]* name="crd_command"[^>]* autocomplete="off"[^>]* spellcheck="false"/);
    expect(html).toContain(
      '<a href="https://remotedesktop.google.com/headless" target="_blank" rel="noopener">',
    );
    expect(html).not.toContain('name="pin"');
    expect(html).not.toContain('role="alert"');
  });

  test.each([
    [null, 'is not known right now'],
    [0, 'No machine is free right now'],
    [1, '1 machine is free.'],
    [12, '12 machines are free.'],
  ])('says how many are free: %j', (freeCount, sentence) => {
    expect(textOf(renderIndex({ ...form, freeCount }))).toContain(sentence);
  });

  test('keeps what was typed, also a first empty line of the command', () => {
    const html = renderIndex({ ...form, values: { email: 'ada@example.org', crdCommand: '\nDISPLAY= x' } });
    expect(tagOf(html, 'email')).toContain('value="ada@example.org"');
    expect(html).toMatch(/<textarea[^>]*>\n\nDISPLAY&#x3D; x<\/textarea>/);
  });

  test('says an error above and at its field', () => {
    const html = renderIndex({
      ...form,
      error: { message: 'That is wrong.', fields: { crd_command: 'There is no code in it.' } },
    });
    expect(html).toContain('<title>Error: ');
    expect(html).toMatch(
      /role="alert"[\s\S]*That is wrong\.[\s\S]*<a href="#crd-command">There is no code in it\./,
    );
    expect(tagOf(html, 'crd-command')).toContain('aria-describedby="crd-command-hint crd-command-error"');
    expect(tagOf(html, 'crd-command')).toContain('aria-invalid="true"');
    expect(tagOf(html, 'crd-command-error')).toContain('class="wrong"');
    expect(tagOf(html, 'email')).not.toContain('aria-invalid');
  });

  test('says an error of a field that it does not show, or of none, in the summary', () => {
    const unknown = renderIndex({
      ...form,
      error: { message: 'Wrong.', fields: { other: 'Other is wrong.' } },
    });
    expect(unknown).toContain('<li>Other is wrong.</li>');
    const none = renderIndex({ ...form, error: { message: words.index.title } });
    expect(none).toContain('role="alert"');
    expect(none).not.toMatch(/<ul>\s*<\/ul>/);
  });

  test('asks for the PIN only where it is needed', () => {
    const html = renderIndex({
      ...form,
      askForPin: true,
      error: { message: 'PIN.', fields: { pin: 'Wrong PIN.' } },
    });
    expect(tagOf(html, 'pin')).toMatch(/name="pin".* inputmode="numeric".* aria-invalid="true"/);
    expect(html).toContain('<a href="#pin">Wrong PIN.</a>');
  });

  test('leads to the machines that this browser holds already', () => {
    const html = renderIndex({
      ...form,
      mine: [
        { id: ID, hostname: 'vm-7' },
        { id: 'other', hostname: null },
      ],
    });
    expect(html).toContain(`href="/assignments/${ID}">Go to vm-7</a>`);
    expect(html).toContain('href="/assignments/other">Go to your machine</a>');
  });
});

describe('the success page', () => {
  test('shows hostname, PIN, the state in words, and the ways on', () => {
    const html = renderSuccess(assigned);
    expect(html).toContain('<dd class="big">lablink-vm-prod-1</dd>');
    expect(html).toContain('<dd class="big pin">482913</dd>');
    expect(html).toContain(
      `role="status" data-assignment="${ID}" data-state="waiting">${assigned.message}</p>`,
    );
    expect(html).toContain(
      '<a href="https://remotedesktop.google.com/access" target="_blank" rel="noopener">',
    );
    expect(html).toContain(`<a class="btn" href="/assignments/${ID}">Refresh</a>`);
    expect(html).toMatch(/<script type="module" src="&#x2F;static&#x2F;assignment\.[0-9a-f]{12}\.js">/);
    expect(html).toContain('<noscript>');
  });

  test.each(['waiting', 'sent', 'sent_unconfirmed', 'connected', 'machine_lost'] as const)(
    'offers a fresh command, folded, while it is %s',
    (state) => {
      const html = renderSuccess({ ...assigned, state });
      expect(tagOf(html, 'fresh')).toBe('<details class="card card-body" id="fresh">');
      expect(html).toMatch(
        /action="\/api\/request_vm">\s*<input type="hidden" name="email" value="ada@example.org">/,
      );
    },
  );

  test.each(['failed', 'expired'] as const)(
    'asks for a fresh command, unfolded and first, when it is %s',
    (state) => {
      const html = renderSuccess({ ...assigned, state });
      expect(tagOf(html, 'fresh')).toBe('<details class="card card-body" id="fresh" open>');
      expect(html.match(/name="crd_command"/g)).toHaveLength(1);
      expect(html.indexOf('id="fresh"')).toBeLessThan(html.indexOf('id="next"'));
    },
  );

  test('leads to the start page when the machine is released', () => {
    const html = renderSuccess({ ...assigned, state: 'released' });
    expect(html).toContain('<a class="btn btn-primary" href="/">Start page</a>');
    expect(html).not.toContain('name="crd_command"');
  });

  test('says that a machine is the one that the participant had', () => {
    expect(renderSuccess({ ...assigned, returning: true })).toContain(words.success.returning);
    expect(renderSuccess(assigned)).not.toContain(words.success.returning);
  });
});
