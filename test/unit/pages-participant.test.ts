import { describe, expect, test } from 'vitest';
import { nextAskMs } from '../../src/pages/assignment-steps.ts';
import { renderIndex } from '../../src/pages/index-page.ts';
import { renderSuccess, type SuccessModel } from '../../src/pages/success.ts';
import { assigned, form, ID, tagOf, textOf } from '../support/page-models.ts';

describe('the form', () => {
  test('the form posts e-mail and command to /api/request_vm, and links to the page with the command', () => {
    const html = renderIndex(form);
    expect(html).toMatch(/<form[^>]* method="post" action="\/api\/request_vm"/);
    expect(html).toContain('name="email"');
    expect(html).toMatch(/<textarea[^>]* name="crd_command"[^>]* autocomplete="off"[^>]* spellcheck="false"/);
    expect(html).toContain(
      '<a href="https://remotedesktop.google.com/headless" target="_blank" rel="noopener">',
    );
    expect(html).not.toContain('id="pin"');
    expect(html).not.toContain('role="alert"');
  });

  test('the form says how many machines are free, or that this is not known', () => {
    const html = renderIndex({ ...form, lab: { state: 'full', message: 'No machine is free.' } });
    expect(html).toMatch(/data-state="full"[\s\S]*data-message>No machine is free\.</);
    expect(textOf(renderIndex({ ...form, lab: null }))).toContain('is not known right now');
  });

  test('the page of somebody who waits shows the place and no form; when a machine is reserved, the form and whose turn it is', () => {
    const place = {
      id: ID,
      email: 'ada@example.org',
      code: '271828',
      state: 'waiting',
      message: '2 people before you.',
      ahead: 2,
      estimate_minutes: 10,
      estimate: 'You will probably wait for up to 10 minutes.',
      since: '2026-01-01T12:00:00Z',
      reserved_until: null,
      reserved_seconds: null,
      missed: 0,
      notify: null,
    } as const;
    const typed = { ...form, values: { email: 'ada@example.org', crd_command: 'an old command' } };
    const waiting = renderIndex({ ...typed, place });
    expect(textOf(waiting)).toContain('2 people before you.');
    expect(waiting).toContain('data-request-part hidden');
    expect(waiting).not.toMatch(/<title>Error|role="alert"|an old command/);
    expect(waiting).toContain('<noscript><meta http-equiv="refresh" content="20;url=/"></noscript>');
    const turn = renderIndex({ ...typed, place: { ...place, state: 'reserved', reserved_seconds: 150 } });
    expect(turn).toMatch(/<title>Your turn: [\s\S]*data-request-part>/);
    expect(tagOf(turn, 'email')).toMatch(/value="ada@example.org" readonly/);
    expect(textOf(turn)).toMatch(/You have 2\smin 30\ss left\./);
    expect(turn).not.toContain('http-equiv="refresh"');
    const left = renderIndex({ ...typed, place: { ...place, state: 'left' } });
    expect(left).toMatch(/action="\/api\/v1\/waiting-list"[\s\S]*Join the waiting list again/);
    // Before the opening and after the closing nobody gets a machine.
    const closed = { state: 'closed', message: 'The workshop is closed.' } as const;
    expect(renderIndex({ ...typed, lab: closed, place })).not.toContain('data-place');
  });

  test('the form shows the texts of the organiser as plain text with links', () => {
    const html = renderIndex({
      ...form,
      workshop: {
        title: 'Bees & graphs',
        instructions: 'Bring a mouse.\n\nRead https://example.org/a?b=1, then <b>wait</b>.',
        contact: 'help@example.org',
      },
    });
    expect(html).toContain('<h1>Bees &amp; graphs</h1>');
    expect(html).toContain('<p class="lines">Bring a mouse.</p>');
    expect(html).toContain('href="https://example.org/a?b=1">');
    expect(html).toContain('&lt;b&gt;wait&lt;/b&gt;');
    expect(html).toContain('<a href="mailto:help@example.org">');
    expect(renderIndex(form)).not.toContain('id="instructions"');
  });

  test('the form keeps what was typed, also a first empty line of the command', () => {
    const html = renderIndex({ ...form, values: { email: 'ada@example.org', crd_command: '\nDISPLAY= x' } });
    expect(tagOf(html, 'email')).toContain('value="ada@example.org"');
    expect(html).toMatch(/<textarea[^>]*>\n\nDISPLAY= x<\/textarea>/);
  });

  test('the form shows an error in the summary and at its field', () => {
    const html = renderIndex({
      ...form,
      error: { message: 'That is wrong.', fields: { crd_command: 'There is no code in it.' } },
    });
    expect(html).toContain('<title>Error: ');
    expect(html).toMatch(
      /role="alert"[\s\S]*That is wrong\.[\s\S]*<a href="#crd-command">There is no code in it\./,
    );
    expect(tagOf(html, 'crd-command')).toContain(
      'aria-describedby="crd-command-hint crd-command-error crd-command-check"',
    );
    expect(tagOf(html, 'crd-command')).toContain('aria-invalid="true"');
    expect(tagOf(html, 'crd-command-error')).toContain('class="wrong"');
    expect(tagOf(html, 'email')).not.toContain('aria-invalid');
  });

  test('the form shows an error of an unknown field, or of none, in the summary', () => {
    const unknown = renderIndex({
      ...form,
      error: { message: 'Wrong.', fields: { other: 'Other is wrong.' } },
    });
    expect(unknown).toContain('<li>Other is wrong.</li>');
    const none = renderIndex({ ...form, error: { message: 'Something went wrong.' } });
    expect(none).toContain('role="alert"');
    expect(none).not.toMatch(/<ul>\s*<\/ul>/);
  });

  test('the form asks for the PIN only where it is needed', () => {
    const html = renderIndex({
      ...form,
      askForPin: true,
      error: { message: 'PIN.', fields: { pin: 'Wrong PIN.' } },
    });
    expect(tagOf(html, 'pin')).toMatch(/name="pin".* inputmode="numeric".* aria-invalid="true"/);
    expect(html).toContain('<a href="#pin">Wrong PIN.</a>');
  });

  test('the form links to the machines that this browser already has', () => {
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
  test('the success page shows hostname, PIN, state and links', () => {
    const html = renderSuccess(assigned);
    expect(html).toContain('<dd class="big" data-fact="hostname">lablink-vm-prod-1</dd>');
    expect(html).toContain('<dd class="big pin" data-fact="pin">482913</dd>');
    expect(html).toContain(`role="status" data-assignment="${ID}" data-state="waiting" data-gone=`);
    expect(html).toContain(
      '<a href="https://remotedesktop.google.com/access" target="_blank" rel="noopener">',
    );
    expect(html).toContain(`<a class="btn" href="/assignments/${ID}">Refresh</a>`);
    expect(html).toMatch(/<script type="module" src="\/static\/success\.[0-9A-Z]{8}\.js">/);
    expect(html).toContain('<noscript>');
  });

  test.each(['waiting', 'sent', 'sent_unconfirmed', 'connected', 'machine_lost'] as const)(
    'the success page has a folded form for a new command while the state is %s',
    (state) => {
      const html = renderSuccess({ ...assigned, state });
      expect(tagOf(html, 'fresh')).toBe('<details class="card card-body" id="fresh" data-while-assigned>');
      expect(html).toMatch(
        /action="\/api\/request_vm"[^>]*>\s*<input type="hidden" name="email" value="ada@example.org">/,
      );
    },
  );

  test.each(['failed', 'expired'] as const)(
    'the success page has the form for a new command open and first when the state is %s',
    (state) => {
      const html = renderSuccess({ ...assigned, state });
      expect(tagOf(html, 'fresh')).toBe(
        '<details class="card card-body" id="fresh" data-while-assigned open>',
      );
      expect(html.match(/name="crd_command"/g)).toHaveLength(1);
      expect(html.indexOf('id="fresh"')).toBeLessThan(html.indexOf('id="next"'));
    },
  );

  test('the success page shows the progress in steps, also to screen readers', () => {
    const steps = (model: SuccessModel) =>
      [...renderSuccess(model).matchAll(/<li data-step="(\w+)">.*data-step-label>([^<]*)</g)].map(
        ([, step, label]) => `${step} ${label}`,
      );
    expect(steps(assigned)).toEqual(['now In progress:', 'next Next:', 'next Next:']);
    expect(steps({ ...assigned, state: 'connected' })).toEqual(['done Done:', 'done Done:', 'done Done:']);
    const expired = { ...assigned, state: 'expired' } as const;
    expect(steps(expired)[0]).toBe('wrong Failed:');
    expect(steps({ ...expired, delivered_at: '2026-01-01T11:58:00Z' })[1]).toBe('wrong Failed:');
    expect(steps({ ...assigned, state: 'sent_unconfirmed' })[1]).toBe('unknown Cannot be confirmed:');
  });

  test('the success page has copy buttons for hostname and PIN', () => {
    const html = renderSuccess(assigned);
    expect(html).toContain('data-copy="482913"');
    expect(html).toContain('data-copy="lablink-vm-prod-1"');
  });

  test('the success page of a released machine links to the start page', () => {
    const html = renderSuccess({ ...assigned, state: 'released' });
    expect(html).toContain('<a class="btn btn-primary" href="/">Go to the start page</a>');
    expect(html).not.toContain('name="crd_command"');
  });

  test('an open success page asks again within five seconds, however long nothing has changed', () => {
    let delay = nextAskMs(null);
    for (let times = 0; times < 100; times += 1) {
      expect(delay).toBeLessThan(5_000);
      const next = nextAskMs(delay);
      expect(next).toBeGreaterThanOrEqual(delay);
      delay = next;
    }
    expect(nextAskMs(null)).toBeLessThan(delay);
  });

  test('the success page welcomes a returning participant', () => {
    expect(renderSuccess({ ...assigned, returning: true })).toContain('Welcome back. This is your machine.');
    expect(renderSuccess(assigned)).not.toContain('Welcome back. This is your machine.');
  });
});
