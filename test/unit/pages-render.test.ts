import { describe, expect, test } from 'vitest';
import { createRenderer, readTemplates, type View } from '../../src/pages/render.ts';

const renderText = (text: string, view: View, partials: Record<string, string> = {}): string =>
  createRenderer(
    new Map([
      ['page', text],
      ...Object.entries(partials).map(([name, partial]): [string, string] => [`partials/${name}`, partial]),
    ]),
  )('page', view);

describe('a name that the view does not have', () => {
  test.each([
    ['a variable', '{{missing}}', {}],
    ['a section', '{{#missing}}x{{/missing}}', {}],
    ['an inverted section', '{{^missing}}x{{/missing}}', {}],
    ['the end of a dotted name', '{{a.missing}}', { a: { b: 'c' } }],
    ['a dotted name through null', '{{a.b}}', { a: null }],
    ['a dotted name through text', '{{a.length}}', { a: 'text' }],
    ['a name within a section', '{{#a}}{{missing}}{{/a}}', { a: { b: 'c' } }],
    ['a name within a list', '{{#a}}{{missing}}{{/a}}', { a: [{ b: 'c' }] }],
    ['a property of every object', '{{constructor}}', {}],
    ['a property of every list', '{{#a}}{{length}}{{/a}}', { a: [['b']] }],
  ])('a name that the view does not have throws as %s', (_what, text, view) => {
    expect(() => renderText(text, view)).toThrow(/the view has no/);
  });

  test('a name in a section that is not rendered does not throw', () => {
    expect(renderText('a{{#no}}{{missing}}{{/no}}b', { no: false })).toBe('ab');
  });

  test('an unknown name in a partial throws, and the message names the page', () => {
    expect(() => renderText('{{>part}}', {}, { part: '{{missing}}' })).toThrow(
      /^page: the view has no \{\{missing\}\}/,
    );
  });
});

describe('a value that is known', () => {
  test('a value is found in the view around a section, the nearest one first', () => {
    const view = { a: 'outer', b: 'outer', inner: { b: 'inner' } };
    expect(renderText('{{#inner}}{{a}} {{b}}{{/inner}}', view)).toBe('outer inner');
  });

  test.each([
    [null, 'none'],
    [false, 'none'],
    [[], 'none'],
    ['', 'none'],
    [0, 'none'],
    [true, 'some'],
    ['text', 'some'],
    [{ x: null }, 'some'],
    [[{}, {}], 'somesome'],
  ])('the value %j makes its section %s', (value, shown) => {
    expect(renderText('{{#a}}some{{/a}}{{^a}}none{{/a}}', { a: value })).toBe(shown);
  });

  test('a text or a number is printed', () => {
    expect(renderText('{{a.b}} {{zero}} {{#c}}{{.}}{{/c}}', { a: { b: 'x' }, zero: 0, c: ['y', 'z'] })).toBe(
      'x 0 yz',
    );
  });

  test.each([[null], [true], [{ b: 'c' }], [['c']]])('the value %j is not printed', (value) => {
    expect(() => renderText('{{a}}', { a: value })).toThrow(/neither text nor a number/);
  });

  test('a value is escaped wherever it is printed', () => {
    const html = renderText('<a title="{{a}}">{{a}}</a>', { a: `<script>"'&</script>` });
    expect(html).not.toMatch(/<script|title="[^"]*<|""/);
    expect(html).toContain('&lt;script&gt;&quot;&#39;&amp;&lt;/script&gt;');
  });

  test('a value is never read as a template', () => {
    expect(renderText('{{a}}', { a: '{{b}}', b: 'secret' })).toBe('{{b}}');
  });
});

describe('templates', () => {
  test.each(['{{{a}}}', '{{& a}}', '{{&a}}', '{{ { a } }}', '{{=<% %>=}}'])(
    'a template may not contain %s',
    (text) => {
      expect(() => renderText(text, { a: 'x' })).toThrow(/only escaped tags/);
    },
  );

  test('a template may not print into an attribute without quotes', () => {
    expect(() => renderText('<a href={{a}}>', { a: 'x' })).toThrow(/quoted/);
    expect(renderText('<meta content="{{a}};url={{a}}">', { a: 'x y' })).toBe('<meta content="x y;url=x y">');
  });

  test('a template may not name a missing partial', () => {
    expect(() => renderText('{{#never}}{{>nowhere}}{{/never}}', { never: false })).toThrow(
      /no template partials\/nowhere/,
    );
  });

  test('a template may not leave a section open', () => {
    expect(() => renderText('{{#a}}', { a: true })).toThrow(/Unclosed section/);
  });

  test('keep their partials as they are, so that what stands in <pre> is not indented', () => {
    expect(renderText('<pre>\n  {{>part}}\n</pre>', {}, { part: 'a\nb\n' })).toBe('<pre>\na\nb\n</pre>');
  });

  test('all templates of the project escape everything and contain no script, style or handler', () => {
    const templates = readTemplates(new URL('../../templates/', import.meta.url));
    expect(templates.size).toBeGreaterThan(8);
    for (const [name, text] of templates) {
      expect(text, name).not.toMatch(/\{\{\s*[{&=]/);
      expect(text, name).not.toMatch(/\sstyle=|<style|\son[a-z]+=|javascript:/i);
      for (const [, attributes = ''] of text.matchAll(/<script([^>]*)>/g)) {
        expect(attributes, name).toMatch(/ src="\{\{\.\}\}"/);
      }
      expect(text, name).not.toMatch(/(src|<link[^>]*href)="(https?:)?\/\//);
    }
  });
});
