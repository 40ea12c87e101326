// What an organiser gives to participants: the address, as text and as QR code, and the text of an e-mail.
import { encode } from 'uqr';
import type { components } from '../contract/openapi.gen.ts';
import { showCode } from '../vms/workshop-code.ts';
import { needsCode } from '../vms/workshop-settings.ts';
import { momentView } from './format.ts';
import type { View } from './render.ts';

type Settings = components['schemas']['Settings'];

/** Modules around the code, without which cameras do not find it. */
const QUIET_ZONE = 4;

/** For the partial `share`. */
export function shareView(settings: Settings): View {
  const { address } = settings;
  const code = needsCode(settings) && settings.code !== null ? showCode(settings.code) : null;
  const mail = mailOf(settings, code);
  return {
    address,
    code,
    copyAddress: { copies: address, what: 'address' },
    copyMail: { copies: mail, what: 'text' },
    mail,
    mailLines: mail.split('\n').length,
    mailto: `mailto:?subject=${encodeURIComponent(subjectOf(settings))}&body=${encodeURIComponent(mail.replaceAll('\n', '\r\n'))}`,
    qr: qrView(address),
    isOfThisComputer: /^http:\/\/(?:localhost|127\.|\[::1\])/.test(address),
  };
}

/** Black modules as one path: the page's policy allows no foreign markup, and a path needs none. */
function qrView(text: string): View {
  const { data, size } = encode(text, { ecc: 'M', border: QUIET_ZONE });
  const path = data
    .flatMap((row, y) => row.flatMap((isBlack, x) => (isBlack ? [`M${x} ${y}h1v1h-1z`] : [])))
    .join('');
  return { size, path };
}

function subjectOf({ title }: Settings): string {
  return title === null ? 'Your machine for the workshop' : `Your machine for “${title}”`;
}

function mailOf(settings: Settings, code: string | null): string {
  const { address, title, opens_at: opensAt, contact } = settings;
  const opens = opensAt === null ? null : momentView(opensAt);
  return [
    'Hello,',
    `you get a machine for ${title === null ? 'the workshop' : `“${title}”`}. You use it in your browser, with a Google account.`,
    `Please check your browser and your account some days before:\n${new URL('/check', address).href}`,
    `In the workshop, open this page:\n${address}${code === null ? '' : `\nWorkshop code: ${code}`}`,
    ...(opens === null ? [] : [`It opens at ${opens.at}.`]),
    ...(contact === null ? [] : [`If you need help: ${contact}`]),
  ].join('\n\n');
}
