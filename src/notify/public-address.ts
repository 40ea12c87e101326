// Which addresses a webhook may connect to. The check is made on the addresses that the connection uses, after DNS has answered: a name
// that leads to another address the next time is checked again.
import { lookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The connection would lead to an address that is not public. */
export class PrivateAddress extends Error {
  constructor() {
    super('The address is not public.');
    this.name = 'PrivateAddress';
  }
}

/** Not of this computer, of a local network, of a cloud's metadata, or of no single computer. IPv4 in IPv6 counts as what it is. */
export function isPublicAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast';
}

/** Names that mean this computer, whatever DNS says (RFC 6761). */
const LOCALHOST = /(^|\.)localhost\.?$/;

/**
 * Whether a host is seen not to be public without asking DNS. One that is an address is not looked up: then nothing else checks it.
 * @param hostname of a URL, so that it is in lower case, and an IPv4 address has four parts
 */
export function isPrivateHost(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '');
  return LOCALHOST.test(address) || (isIP(address) !== 0 && !isPublicAddress(address));
}

export type Resolve = (
  hostname: string,
  /** Node gives no addresses at all with an error, against its types. */
  answer: (error: Error | null, addresses?: readonly LookupAddress[]) => void,
) => void;

const systemResolve: Resolve = (hostname, answer) => lookup(hostname, { all: true }, answer);

/** The `lookup` of a connection: fails with PrivateAddress if one of the addresses is not public. */
export function publicLookup(resolve: Resolve = systemResolve): LookupFunction {
  return (hostname, { all }, answer) => {
    resolve(hostname, (error, addresses = []) => {
      const [first] = addresses;
      if (error !== null || first === undefined) answer(error ?? new Error('no address'), '', 0);
      else if (!addresses.every(({ address }) => isPublicAddress(address)))
        answer(new PrivateAddress(), '', 0);
      else if (all === true) answer(null, [...addresses]);
      else answer(null, first.address, first.family);
    });
  };
}
