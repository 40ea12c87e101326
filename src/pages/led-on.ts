// What stands in an answer that leads on; browsers go there by themselves.
import { layoutView } from './layout.ts';
import { render } from './render.ts';
import { words } from './words.ts';

export function renderLedOn(href: string): string {
  return render('led-on', {
    ...layoutView({ title: words.machine.doneTitle, area: 'admin' }),
    href,
  });
}
