// Elements of the page: found with their type, made without markup, changed only where something differs.

type Kind<E extends Element> = abstract new () => E;

/** The element that the module cannot work without. Throws where the template does not have it. */
export function need<E extends Element>(kind: Kind<E>, selector: string, root: ParentNode = document): E {
  const found = find(kind, selector, root);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

/** Null where there is none. */
export function find<E extends Element>(
  kind: Kind<E>,
  selector: string,
  root: ParentNode = document,
): E | null {
  const found = root.querySelector(selector);
  return found instanceof kind ? found : null;
}

export function findAll<E extends Element>(
  kind: Kind<E>,
  selector: string,
  root: ParentNode = document,
): E[] {
  return [...root.querySelectorAll(selector)].filter((element): element is E => element instanceof kind);
}

/** The value of a `data-` attribute that the template writes. */
export function dataOf(element: HTMLElement, name: string): string {
  const value = element.dataset[name];
  if (value === undefined) throw new Error(`<${element.localName}> has no data attribute ${name}`);
  return value;
}

/** Its text is never read as markup. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  text = '',
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
): HTMLElementTagNameMap[Name] {
  const element = Object.assign(document.createElement(name), properties);
  element.textContent = text;
  return element;
}

/** What the template holds, as a new element. */
export function makeFrom<E extends Element>(template: HTMLTemplateElement, kind: Kind<E>): E {
  const element = template.content.firstElementChild?.cloneNode(true);
  if (!(element instanceof kind)) throw new Error('the template is empty');
  return element;
}

/** Text that did not change is not announced again, and keeps what is selected in it. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setData(element: HTMLElement, name: string, value: string): void {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

/** From now on the element is at least as high as it is: a shorter text must not pull up what is below. */
export function keepHeight(element: HTMLElement): void {
  element.style.minHeight = `${element.offsetHeight}px`;
}
