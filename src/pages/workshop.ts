// What the organiser says to participants, as pages show it: text, with addresses as links.
import type { View } from './render.ts';

export type Workshop = {
  readonly title?: string | null | undefined;
  readonly instructions?: string | null | undefined;
  readonly contact?: string | null | undefined;
};

const ADDRESS = /(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]])/;
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/** The part of a page's view that is about the workshop. */
export function workshopView({ instructions, contact }: Workshop): { readonly workshop: View } {
  const paragraphs = (instructions ?? '').split(/\n\s*\n/).filter((paragraph) => paragraph.trim() !== '');
  return {
    workshop: {
      hasInstructions: paragraphs.length > 0,
      paragraphs: paragraphs.map((paragraph) => ({ pieces: linked(paragraph.trim()) })),
      contact: contact ? contactView(contact) : null,
    },
  };
}

function contactView(contact: string): View {
  if (EMAIL.test(contact)) return { pieces: [{ text: contact, href: `mailto:${contact}` }] };
  return { pieces: linked(contact) };
}

/** Every other piece between two addresses is text. */
function linked(text: string): View[] {
  return text
    .split(ADDRESS)
    .filter((piece) => piece !== '')
    .map((piece) => ({ text: piece, href: ADDRESS.test(piece) ? piece : null }));
}
