// The input of the Pulumi program client-vms.ts. Plain values; src/provision/aws composes it.

/** One machine, keyed by its hostname. For an existing machine, Pulumi ignores everything but the hostname. */
export type MachineSpec = {
  readonly hostname: string;
  /** The launch that creates the machine; becomes a tag. */
  readonly launchId: string;
  /** The machine's bearer token (`API_TOKEN`): the only secret in the user data. */
  readonly token: string;
  /** An EC2 instance type, such as g4dn.xlarge. */
  readonly instanceType: string;
  /** Whether the type has an NVIDIA GPU, from EC2's DescribeInstanceTypes. */
  readonly nvidia: boolean;
  readonly subnetId: string;
  /** ISO 8601; the machine shuts down at this time plus the grace period. Null = never. */
  readonly shutdownAt: string | null;
};

type ContainerSpec = {
  readonly image: string;
  /** Cloned into the participant's folder; null = none. */
  readonly repository: string | null;
  readonly software: string | null;
};

export type ClientVmsSpec = {
  readonly deployment: string;
  readonly environment: string;
  /** Random, created once per deployment: the tag that identifies our machines. */
  readonly deploymentUid: string;
  readonly region: string;
  readonly allocator: {
    /** The address of the allocator for the machines, such as https://lab.example.org */
    readonly url: string;
    /** CIDR blocks that may reach the machines over SSH. */
    readonly sshCidrs: readonly string[];
  };
  /** The allocator's public key: `ssh-ed25519 AAAA…`. */
  readonly sshPublicKey: string;
  readonly vpcId: string;
  readonly amiId: string;
  readonly diskGb: number;
  readonly container: ContainerSpec;
  /** `container`: the image runs a published LabLink agent. `lablink`: our agent runs on the machine. */
  readonly agent: 'container' | 'lablink';
  readonly startupScript: { readonly content: string; readonly onError: 'continue' | 'fail' } | null;
  /** Minutes between the shutdown time and the shutdown of a machine. */
  readonly graceMinutes: number;
  readonly logs: {
    readonly group: string;
    readonly retentionDays: number;
    /** The bearer token of the log forwarder (`LOG_FORWARDER_TOKEN`). */
    readonly forwarderToken: string;
  };
  readonly machines: readonly MachineSpec[];
};

/** The program's output for one machine. */
export type MachineOutput = {
  readonly instanceId: string;
  readonly publicIp: string;
  readonly privateIp: string;
};
