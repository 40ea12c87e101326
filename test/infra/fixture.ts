// A fleet as its spec has it.
import type { ClientVmsSpec, MachineSpec } from '../../infra/spec.ts';

export const machineSpec = (number: number, parts: Partial<MachineSpec> = {}): MachineSpec => ({
  hostname: `lablink-vm-prod-${number}`,
  launchId: '7f0c7c52-3d34-4a0c-9a53-0a4f3f0f6d21',
  token: `lvt_token-of-machine-${number}`,
  instanceType: 'g4dn.xlarge',
  nvidia: true,
  subnetId: 'subnet-0a1',
  shutdownAt: '2026-11-25T18:00:00.000Z',
  ...parts,
});

export const fleetSpec = (parts: Partial<ClientVmsSpec> = {}): ClientVmsSpec => ({
  deployment: 'lablink',
  environment: 'prod',
  deploymentUid: 'a3c1f8d2-7a52-4c7e-8a5f-1d2f3a4b5c6d',
  region: 'us-west-2',
  allocator: { url: 'https://lab.example.org', sshCidrs: ['198.51.100.7/32'] },
  sshPublicKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample',
  vpcId: 'vpc-0a1',
  amiId: 'ami-0a1',
  diskGb: 80,
  container: { image: 'ghcr.io/example/client:1', repository: null, software: null },
  agent: 'container',
  startupScript: null,
  graceMinutes: 30,
  logs: { group: '/lablink/prod', retentionDays: 14, forwarderToken: 'the token of the forwarder' },
  machines: [machineSpec(1), machineSpec(2)],
  ...parts,
});
