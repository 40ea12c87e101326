// What a machine's process tells the allocator over IPC, once: that it is up, or why it cannot come up.

export type MachineMessage =
  | { readonly kind: 'ready'; readonly sshPort: number }
  /** It ends after this. `reason` is a sentence. */
  | { readonly kind: 'failed'; readonly reason: string };

/** The message, or undefined where what came is none. */
export function readMachineMessage(received: unknown): MachineMessage | undefined {
  if (typeof received !== 'object' || received === null || !('kind' in received)) return undefined;
  if (received.kind === 'ready' && 'sshPort' in received && typeof received.sshPort === 'number') {
    return { kind: 'ready', sshPort: received.sshPort };
  }
  if (received.kind === 'failed' && 'reason' in received && typeof received.reason === 'string') {
    return { kind: 'failed', reason: received.reason };
  }
  return undefined;
}
